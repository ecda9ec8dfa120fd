//! Families of metrics whose samples are known when they are asked for.

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// A label: its name and its value.
pub(super) type Label = (&'static str, String);

/// Writes one family after the other. A family without a sample is left out.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    /// A value that goes up and down.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label>, f64)>,
    ) -> std::fmt::Result {
        self.family(
            name,
            help,
            samples
                .into_iter()
                .map(|(labels, value)| (labels, ConstGauge::new(value))),
        )
    }

    /// A count since the engine started. Its samples are called `name` with `_total` behind it.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label>, u64)>,
    ) -> std::fmt::Result {
        self.family(
            name,
            help,
            samples
                .into_iter()
                .map(|(labels, value)| (labels, ConstCounter::new(value))),
        )
    }

    /// A time that adds up, in seconds.
    pub(super) fn seconds_counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<Label>, f64)>,
    ) -> std::fmt::Result {
        self.family(
            name,
            help,
            samples
                .into_iter()
                .map(|(labels, value)| (labels, ConstCounter::new(value))),
        )
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl Iterator<Item = (Vec<Label>, M)>,
    ) -> std::fmt::Result {
        let mut samples = samples.peekable();
        let Some((_, first)) = samples.peek() else {
            return Ok(());
        };
        let mut encoder: MetricEncoder<'_> =
            self.0.encode_descriptor(name, help, None, first.metric_type())?;
        for (labels, metric) in samples {
            if labels.is_empty() {
                // Then there is but one.
                return metric.encode(encoder);
            }
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
