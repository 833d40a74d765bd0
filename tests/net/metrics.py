"""Every metric: its unit, its dimensions and the functions that write it."""

from tests.net.lives import seen
from tests.net.recording import Facts


def facts() -> Facts:
    """Return them by namespace and name."""
    found: dict[str, dict[str, dict[str, set[str]]]] = {}
    for function, line in seen().metrics:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                about = found.setdefault(directive["Namespace"], {}).setdefault(metric["Name"], {})
                about.setdefault("functions", set()).add(function)
                about.setdefault("unit", set()).add(metric["Unit"])
                about.setdefault("dimensions", set()).update(" and ".join(names) for names in directive["Dimensions"])
    return {
        namespace: {name: {what: ", ".join(sorted(values)) for what, values in about.items()} for name, about in metrics.items()}
        for namespace, metrics in found.items()
    }
