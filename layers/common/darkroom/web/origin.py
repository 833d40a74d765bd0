"""Where an upstream can reach this deployment: the origin of callback URLs."""

_LONGEST_NAME, _LONGEST_LABEL = 253, 63
_PRIVATE_ENDS = (".localhost", ".local", ".internal", ".localdomain", ".home.arpa")


def callback_origin(public_url: str | None, domain: str) -> str | None:
    """`public_url` if the deployment has one, else the API's own domain; None when no upstream could reach that one."""
    if public_url is not None:
        return public_url
    host = domain.lower()
    return f"https://{host}" if _is_name(host) and not host.endswith(_PRIVATE_ENDS) else None


def _is_name(host: str) -> bool:
    """Whether it is a name of two labels or more, the last of which is no number."""
    labels = host.split(".")
    last = labels[-1]
    return len(host) <= _LONGEST_NAME and len(labels) > 1 and len(last) > 1 and last[0].isalpha() and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    sound = label.isascii() and label.replace("-", "x").isalnum() and label[0] != "-" != label[-1]
    return sound and len(label) <= _LONGEST_LABEL
