//! The numbers of `/metrics`: every name of the contract, there from the start.
//!
//! Not global: a server has its own, so that two in one process do not add up.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder as _, SharedString,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::engine::output::Observation;
use crate::time::Duration;
use crate::words::{OperatorState, Outcome};

const COUNTERS: &[(&str, &str)] = &[
    ("strowger_calls_offered_total", "Inbound calls of trunks."),
    (
        "strowger_calls_total",
        "Inbound calls by how they ended; the sum is the offered ones.",
    ),
    ("strowger_rtp_packets_total", "RTP packets by direction."),
    (
        "strowger_rtp_lost_total",
        "RTP packets that peers sent and that never came.",
    ),
    (
        "strowger_recording_bytes_total",
        "Bytes of finished recordings.",
    ),
    (
        "strowger_recording_failures_total",
        "How often a recording lost sound or failed; not zero is an alarm.",
    ),
    (
        "strowger_sip_messages_total",
        "SIP messages by method and direction; an answer counts under its request's method.",
    ),
    (
        "strowger_store_lost_total",
        "Records lost because the store's queue was full; not zero is an alarm.",
    ),
    (
        "strowger_outbox_dropped_total",
        "Events that a sink took none of for so long that they were given up.",
    ),
];

const GAUGES: &[(&str, &str)] = &[
    ("strowger_calls_active", "Calls under way."),
    ("strowger_queue_waiting", "Callers waiting in a queue."),
    ("strowger_operators", "Operators by state."),
    ("strowger_trunk_up", "Whether a trunk answers."),
    ("strowger_registrations", "Registered phones."),
    (
        "strowger_outbox_backlog",
        "Committed events that a sink has not acknowledged.",
    ),
    (
        "strowger_outbox_dead_letters",
        "Events that a sink would not take.",
    ),
    (
        "strowger_store_bytes",
        "What the database takes on the disk.",
    ),
    (
        "strowger_store_forecast_bytes",
        "What the database will take when events are as old as they are kept.",
    ),
    ("strowger_callbacks_open", "Callbacks nobody has closed."),
    (
        "strowger_disk_free_bytes",
        "Free space where the data folder is.",
    ),
    (
        "strowger_recording_disk_days_left",
        "Days until recordings fill the disk; +Inf when it lasts over a year.",
    ),
    (
        "strowger_store_failing",
        "Whether the disk refuses to commit at present.",
    ),
    (
        "strowger_store_reserved",
        "Events that wait in the ledger's reserve because the disk refuses to commit.",
    ),
    (
        "strowger_ledger_broken",
        "Promises that do not hold: in the data as they were at the start, and in the sum of this run's calls. Not zero is an alarm.",
    ),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    (
        "strowger_queue_wait_seconds",
        "How long callers stood in a queue.",
    ),
    (
        "strowger_dispatch_seconds",
        "From a free operator to the INVITE sent.",
    ),
    (
        "strowger_setup_seconds",
        "From the INVITE received to the first response above 100.",
    ),
];

const WAITS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0,
];
const DELAYS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The methods that have a series; another one counts as `other`, so that a stranger cannot make new
/// series.
const METHODS: &[&str] = &[
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "INFO",
    "UPDATE",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "MESSAGE",
    "REFER",
    "PUBLISH",
];

const META: Metadata<'static> = Metadata::new("strowger", Level::INFO, None);

/// Which way a packet or a message went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

type BeforeScrape = Box<dyn Fn(&Telemetry) + Send>;

struct Numbers {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    before_scrape: Mutex<Vec<BeforeScrape>>,
}

/// The handle. Copies share the numbers.
#[derive(Clone)]
pub struct Telemetry(Arc<Numbers>);

impl Telemetry {
    /// All series at zero.
    ///
    /// # Errors
    /// Never with the buckets above; the exporter's type says it might.
    pub fn new() -> anyhow::Result<Self> {
        let mut builder = PrometheusBuilder::new();
        for (name, buckets) in [
            ("strowger_queue_wait_seconds", WAITS),
            ("strowger_dispatch_seconds", DELAYS),
            ("strowger_setup_seconds", DELAYS),
        ] {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
                .context("a histogram has no buckets")?;
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let telemetry = Self(Arc::new(Numbers {
            recorder,
            handle,
            before_scrape: Mutex::new(Vec::new()),
        }));
        telemetry.describe();
        telemetry.begin_at_zero();
        Ok(telemetry)
    }

    fn describe(&self) {
        let recorder = &self.0.recorder;
        let text = |(name, help): &(&'static str, &'static str)| {
            (KeyName::from(*name), SharedString::const_str(help))
        };
        for (name, help) in COUNTERS.iter().map(text) {
            recorder.describe_counter(name, None, help);
        }
        for (name, help) in GAUGES.iter().map(text) {
            recorder.describe_gauge(name, None, help);
        }
        for (name, help) in HISTOGRAMS.iter().map(text) {
            recorder.describe_histogram(name, None, help);
        }
    }

    fn begin_at_zero(&self) {
        self.counter("strowger_calls_offered_total", Vec::new())
            .increment(0);
        for outcome in Outcome::ALL {
            self.outcome(outcome).increment(0);
        }
        for state in OperatorState::ALL {
            self.operators(state, 0);
        }
        for way in [Way::In, Way::Out] {
            self.rtp_packets(way, 0);
            for method in METHODS.iter().chain(&["other"]) {
                self.sip_messages(method, way, 0);
            }
        }
        self.rtp_lost(0);
        self.recording_bytes(0);
        self.recording_failures(0);
        self.calls_active(0);
        self.registrations(0);
        self.callbacks_open(0);
        self.store_bytes(0, 0);
        self.store(0, false, 0);
        for check in ["data", "sum"] {
            self.ledger_broken(check, 0);
        }
        for name in ["strowger_dispatch_seconds", "strowger_setup_seconds"] {
            drop(self.histogram(name, Vec::new()));
        }
    }

    /// A queue of the plan, before anybody waits in it.
    pub fn queue(&self, queue: &str) {
        self.queue_waiting(queue, 0);
        drop(self.histogram("strowger_queue_wait_seconds", label("queue", queue)));
    }

    /// One more inbound call of a trunk.
    pub fn call_offered(&self) {
        self.counter("strowger_calls_offered_total", Vec::new())
            .increment(1);
    }

    /// One of them ended.
    pub fn call_ended(&self, outcome: Outcome) {
        self.outcome(outcome).increment(1);
    }

    fn outcome(&self, outcome: Outcome) -> Counter {
        self.counter("strowger_calls_total", label("outcome", outcome.as_str()))
    }

    /// Promises that do not hold, by the check that found them: `data` or `sum`.
    pub fn ledger_broken(&self, check: &'static str, count: usize) {
        self.gauge("strowger_ledger_broken", vec![Label::new("check", check)])
            .set(float(count));
    }

    /// Calls under way.
    pub fn calls_active(&self, count: usize) {
        self.gauge("strowger_calls_active", Vec::new())
            .set(float(count));
    }

    /// Callers waiting in a queue.
    pub fn queue_waiting(&self, queue: &str, count: usize) {
        self.gauge("strowger_queue_waiting", label("queue", queue))
            .set(float(count));
    }

    /// Operators in a state.
    pub fn operators(&self, state: OperatorState, count: usize) {
        self.gauge("strowger_operators", label("state", state.as_str()))
            .set(float(count));
    }

    /// Whether a trunk answers.
    pub fn trunk_up(&self, trunk: &str, up: bool) {
        self.gauge("strowger_trunk_up", label("trunk", trunk))
            .set(float(usize::from(up)));
    }

    /// Registered phones.
    pub fn registrations(&self, count: usize) {
        self.gauge("strowger_registrations", Vec::new())
            .set(float(count));
    }

    /// Callbacks nobody has closed.
    pub fn callbacks_open(&self, count: usize) {
        self.gauge("strowger_callbacks_open", Vec::new())
            .set(float(count));
    }

    /// RTP packets since the start.
    pub fn rtp_packets(&self, way: Way, total: u64) {
        self.counter(
            "strowger_rtp_packets_total",
            label("direction", way.as_str()),
        )
        .absolute(total);
    }

    /// RTP packets lost since the start.
    pub fn rtp_lost(&self, total: u64) {
        self.counter("strowger_rtp_lost_total", Vec::new())
            .absolute(total);
    }

    /// How often a recording lost sound or failed since the start.
    pub fn recording_failures(&self, total: u64) {
        self.counter("strowger_recording_failures_total", Vec::new())
            .absolute(total);
    }

    /// A recording of this size was finished.
    pub fn recording_bytes(&self, bytes: u64) {
        self.counter("strowger_recording_bytes_total", Vec::new())
            .increment(bytes);
    }

    /// SIP messages of a method since the start.
    pub fn sip_messages(&self, method: &str, way: Way, total: u64) {
        let known = METHODS
            .iter()
            .find(|known| **known == method)
            .unwrap_or(&"other");
        let mut labels = label("method", known);
        labels.extend(label("direction", way.as_str()));
        self.counter("strowger_sip_messages_total", labels)
            .absolute(total);
    }

    /// How far a sink is behind.
    pub fn outbox_backlog(&self, sink: &str, events: u64) {
        self.gauge("strowger_outbox_backlog", label("sink", sink))
            .set(float64(events));
    }

    /// What a sink would not take, and what it has lost since it is known.
    pub fn outbox_losses(&self, sink: &str, dead_letters: u64, dropped: u64) {
        self.gauge("strowger_outbox_dead_letters", label("sink", sink))
            .set(float64(dead_letters));
        self.counter("strowger_outbox_dropped_total", label("sink", sink))
            .absolute(dropped);
    }

    /// What the database takes on the disk, now and when it has grown.
    pub fn store_bytes(&self, now: u64, forecast: u64) {
        self.gauge("strowger_store_bytes", Vec::new())
            .set(float64(now));
        self.gauge("strowger_store_forecast_bytes", Vec::new())
            .set(float64(forecast));
    }

    /// Free space where the data folder is.
    pub fn disk_free(&self, bytes: u64) {
        self.gauge("strowger_disk_free_bytes", Vec::new())
            .set(float64(bytes));
    }

    /// How many days the disk lasts.
    pub fn disk_days_left(&self, days: Option<usize>) {
        let days = days.and_then(|days| u32::try_from(days).ok());
        self.gauge("strowger_recording_disk_days_left", Vec::new())
            .set(days.map_or(f64::INFINITY, f64::from));
    }

    /// How the store is doing.
    pub fn store(&self, lost: u64, failing: bool, reserved: u64) {
        self.counter("strowger_store_lost_total", Vec::new())
            .absolute(lost);
        self.gauge("strowger_store_failing", Vec::new())
            .set(float(usize::from(failing)));
        self.gauge("strowger_store_reserved", Vec::new())
            .set(float(usize::try_from(reserved).unwrap_or(usize::MAX)));
    }

    /// A value for a histogram.
    pub fn observe(&self, observation: &Observation) {
        let seconds = |duration: &Duration| duration.as_secs_f64();
        match observation {
            Observation::QueueWait { queue, wait } => self
                .histogram(
                    "strowger_queue_wait_seconds",
                    label("queue", queue.as_str()),
                )
                .record(seconds(wait)),
            Observation::Dispatch(delay) => self
                .histogram("strowger_dispatch_seconds", Vec::new())
                .record(seconds(delay)),
            Observation::Setup(delay) => self
                .histogram("strowger_setup_seconds", Vec::new())
                .record(seconds(delay)),
        }
    }

    /// Called before each scrape, to set what is only known by asking.
    pub fn before_scrape(&self, ask: impl Fn(&Self) + Send + 'static) {
        self.0
            .before_scrape
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(ask));
    }

    /// Moves measured values into their histograms; called now and then, so that they do not pile up
    /// where nobody scrapes.
    pub fn upkeep(&self) {
        self.0.handle.run_upkeep();
    }

    /// The text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> String {
        let asks = self
            .0
            .before_scrape
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for ask in asks.iter() {
            ask(self);
        }
        drop(asks);
        self.0.handle.render()
    }

    fn counter(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        self.0
            .recorder
            .register_counter(&Key::from_parts(name, labels), &META)
    }

    fn gauge(&self, name: &'static str, labels: Vec<Label>) -> Gauge {
        self.0
            .recorder
            .register_gauge(&Key::from_parts(name, labels), &META)
    }

    fn histogram(&self, name: &'static str, labels: Vec<Label>) -> Histogram {
        self.0
            .recorder
            .register_histogram(&Key::from_parts(name, labels), &META)
    }
}

fn label(name: &'static str, value: &str) -> Vec<Label> {
    vec![Label::new(name, value.to_owned())]
}

fn float(count: usize) -> f64 {
    float64(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus knows floats only; counts under 2^53 are exact"
)]
fn float64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_contract_is_there_from_the_start() {
        let telemetry = Telemetry::new().unwrap();
        telemetry.queue("odesa");
        telemetry.trunk_up("kyivstar", true);
        telemetry.outbox_backlog("crm", 0);
        telemetry.outbox_losses("crm", 0, 0);
        telemetry.disk_free(1);
        telemetry.disk_days_left(None);
        let text = telemetry.render();
        for (kind, names) in [
            ("counter", COUNTERS),
            ("gauge", GAUGES),
            ("histogram", HISTOGRAMS),
        ] {
            for (name, help) in names {
                assert!(
                    text.contains(&format!("# HELP {name} {help}")),
                    "{name}\n{text}"
                );
                assert!(
                    text.contains(&format!("# TYPE {name} {kind}")),
                    "{name}\n{text}"
                );
            }
        }
        assert!(
            text.contains("strowger_calls_total{outcome=\"answered\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("strowger_queue_wait_seconds_count{queue=\"odesa\"} 0"),
            "{text}"
        );
        assert!(
            text.contains("strowger_setup_seconds_bucket{le=\"0.0005\"} 0"),
            "{text}"
        );
    }

    #[test]
    fn the_sum_of_the_outcomes_is_what_was_counted() {
        let telemetry = Telemetry::new().unwrap();
        telemetry.call_offered();
        telemetry.call_offered();
        telemetry.call_ended(Outcome::Answered);
        telemetry.call_ended(Outcome::Missed);
        telemetry.sip_messages("X'; DROP", Way::In, 3);
        telemetry.observe(&Observation::Dispatch(Duration::from_millis(3)));
        telemetry.before_scrape(|telemetry| telemetry.calls_active(7));
        let text = telemetry.render();
        for line in [
            "strowger_calls_offered_total 2",
            "strowger_calls_total{outcome=\"answered\"} 1",
            "strowger_calls_total{outcome=\"missed\"} 1",
            "strowger_sip_messages_total{method=\"other\",direction=\"in\"} 3",
            "strowger_dispatch_seconds_count 1",
            "strowger_calls_active 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
