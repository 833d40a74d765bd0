"""HiAPI and Pixapi on this machine: a server that speaks their contracts, draws real pictures, and misbehaves on command.

    python -m local.simulator --port 0 --webhook-secret whsec_0123456789abcdef
    ready http://127.0.0.1:40123

    with Simulator(time_scale=60) as sim:            # local.simulator.server
        sim.admin.arm("callback-lost", times=2)      # local.simulator.admin

It speaks five APIs; `match` can name one of them:

    hiapi          POST /v1/tasks, GET /v1/tasks, GET /v1/tasks/{id}, callbacks
    hiapi_images   POST /v1/images/generations
    hiapi_chat     POST /v1/chat/completions
    pixapi         POST /pixapi/v1/async/images/generations, GET /pixapi/v1/tasks/{id}
    pixapi_images  POST /pixapi/v1/images/generations

A fault is armed with `POST /_sim/faults` or by a marker in a prompt, which needs no state between calls:
`a red kite [sim:callback-late seconds=5] [sim:output-format format=webp]`. A marker strikes `times` (default 1) for
each Idempotency-Key, and without a key for each request anew; kinds marked * hold for the task's whole life.
`GET /_sim` shows the parameters of each. Every API has the create, task, output and download faults, and says them in its own
envelope and words (create-422 is a refused prompt at Pixapi); detail faults are for APIs with tasks, callbacks are HiAPI's.

    create    create-400 create-401 create-402 create-403 create-404 create-409 create-409-processing create-413
              create-415 create-422 create-429 create-500 create-502 create-503 create-504 create-500-accepted
              create-502-accepted create-503-accepted create-504-accepted create-200-error create-200-no-id
              create-200-truncated create-dropped create-dropped-accepted create-slow key-aged clock-jump
    task      latency hang fail fail-uninformative callback-early
    output    output-empty output-missing output-other-type output-extra output-several output-format output-padded
              output-oversized output-url output-data-uri output-expiry
    answer    answer-id answer-shape* answer-place* answer-wrapped* answer-words* answer-refusal*
    callback  callback-late callback-lost callback-twofold callback-repeated callback-concurrent callback-forged
              callback-unsigned callback-tampered callback-stale callback-future callback-upper-case
              callback-wrong-id callback-wrapped callback-array callback-not-json callback-not-final
              callback-no-storage callback-frozen-stamp
    detail    detail-404 detail-429 detail-500 detail-502 detail-503 detail-unknown-status detail-slow detail-dropped
              detail-truncated
    download  download-expired download-expired-always* download-404 download-500 download-slow* download-broken
              download-chunked* download-not-image* download-redirect*

A synchronous API answers when the task has ended: with frozen time, after a jump.

Seconds that the caller's socket feels (slow answers, slow bytes, the patience for a callback's answer) are real;
what HiAPI does on its own (generating, redelivering, forgetting keys, expiring) takes simulated seconds.
"""
