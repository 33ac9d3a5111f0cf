//! The names of metrics follow the rules that `promtool check metrics` checks.

use std::collections::BTreeMap;

use kit::{Node as _, Pair};

/// The metrics that break a rule, and why. Operators use this name, so it stays.
const TOLERATED: [&str; 1] = ["active_subscriptions_total: a gauge that ends in _total"];

/// The units that names must not have, because those of Prometheus are bytes and seconds.
const OTHER_UNITS: [&str; 20] = [
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "bits",
    "kilobytes",
    "kibibytes",
    "megabytes",
    "mebibytes",
    "gigabytes",
    "s",
    "ms",
    "us",
    "ns",
    "sec",
    "kb",
    "mb",
];

/// The types of metrics, which are no parts of names.
const TYPES: [&str; 5] = ["counter", "gauge", "histogram", "summary", "untyped"];

/// What a page says of one metric.
#[derive(Default)]
struct DescribedMetric<'a> {
    help: &'a str,
    kind: &'a str,
    labels: Vec<&'a str>,
}

/// Reads a page in the Prometheus text format. Samples of a histogram belong to its name without a suffix.
fn read(page: &str) -> BTreeMap<&str, DescribedMetric<'_>> {
    let mut metrics: BTreeMap<_, DescribedMetric<'_>> = BTreeMap::new();
    for line in page.lines() {
        if let Some((name, help)) =
            line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        {
            metrics.entry(name).or_default().help = help;
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            metrics.entry(name).or_default().kind = kind;
        } else if !line.is_empty() {
            let sample = line.split(['{', ' ']).next().unwrap();
            let suffixes = ["_bucket", "_sum", "_count"].iter();
            let of_histogram = suffixes
                .filter_map(|suffix| sample.strip_suffix(suffix))
                .find(|name| metrics.get(name).is_some_and(|metric| metric.kind == "histogram"));
            let name = of_histogram.unwrap_or(sample);
            metrics.entry(name).or_default().labels.extend(labels(line));
        }
    }
    metrics
}

/// Returns the names of the labels of a sample.
fn labels(line: &str) -> impl Iterator<Item = &str> {
    let labels = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
    let pairs = labels.map(|(labels, _)| labels.split("\",")).into_iter().flatten();
    pairs.filter_map(|pair| pair.split_once('=').map(|(name, _)| name))
}

/// Returns each metric that breaks a rule, and which.
fn faults(page: &str) -> Vec<String> {
    let mut faults = vec![];
    for (name, DescribedMetric { help, kind, labels }) in read(page) {
        let words: Vec<_> = name.split('_').collect();
        let has_any = |of: &[&str]| words.iter().any(|word| of.contains(word));
        let ends_in = |suffix: &str| name.ends_with(suffix);
        let is_lower = |name: &str| name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
        let reserved = if kind == "histogram" { ["quantile"; 2] } else { ["quantile", "le"] };
        for (is_broken, rule) in [
            (help.is_empty(), "no help"),
            (!TYPES.contains(&kind), "no type"),
            (kind == "counter" && !ends_in("_total"), "a counter that does not end in _total"),
            (kind == "gauge" && ends_in("_total"), "a gauge that ends in _total"),
            (kind == "histogram" && ends_in("_total"), "a histogram that ends in _total"),
            (["_bucket", "_sum", "_count"].into_iter().any(ends_in), "a suffix of histograms"),
            (has_any(&TYPES), "a type in its name"),
            (has_any(&OTHER_UNITS), "a unit other than seconds or bytes"),
            (!is_lower(name), "a name that is not in lower case"),
            (!labels.iter().all(|label| is_lower(label)), "a label that is not in lower case"),
            (labels.iter().any(|label| reserved.contains(label)), "a label of histograms"),
        ] {
            if is_broken {
                faults.push(format!("{name}: {rule}"));
            }
        }
    }
    faults
}

#[actix_web::test]
async fn names_and_units_of_metrics_follow_the_rules_of_prometheus() {
    let pair = Pair::start().await;
    let tabs = pair.open().await;
    // Metrics of requests appear with the first request.
    pair.node.get("/healthz").await;

    let page = pair.node.get("/metrics").await;
    let described = read(page.text());

    assert!(described.contains_key("coscribe_http_requests_total"), "{page:?}");
    assert_eq!(described["coscribe_active_subscriptions"].labels[0], "topic");
    assert_eq!(described["coscribe_delivery_seconds"].kind, "histogram");
    assert_eq!(faults(page.text()), TOLERATED);
    pair.stop(tabs).await;
}

#[test]
fn broken_rules_are_found() {
    for (page, fault) in [
        ("# TYPE a_total counter\na_total 1", "a_total: no help"),
        ("# HELP a Text.\n# TYPE a counter\na 1", "a: a counter that does not end in _total"),
        (
            "# HELP a_ms Text.\n# TYPE a_ms gauge\na_ms 1",
            "a_ms: a unit other than seconds or bytes",
        ),
        ("# HELP a_count Text.\n# TYPE a_count gauge", "a_count: a suffix of histograms"),
        ("# HELP a_gauge Text.\n# TYPE a_gauge gauge", "a_gauge: a type in its name"),
        ("# HELP aB Text.\n# TYPE aB gauge", "aB: a name that is not in lower case"),
        ("# HELP a Text.\n# TYPE a gauge\na{bC=\"1\"} 1", "a: a label that is not in lower case"),
        ("# HELP a Text.\n# TYPE a gauge\na{b=\"1\",le=\"2\"} 1", "a: a label of histograms"),
    ] {
        assert_eq!(faults(page), [fault], "{page}");
    }
    let histogram = "# HELP a_seconds Text.\n# TYPE a_seconds histogram\na_seconds_bucket{le=\"1\"} 1\na_seconds_sum 1";
    assert!(faults(histogram).is_empty());
}
