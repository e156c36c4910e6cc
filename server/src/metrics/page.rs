//! The text that Prometheus reads (exposition format 0.0.4).

use std::fmt::Write;

use super::histogram::Histogram;

/// The format's name on the wire.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page that is being written, family by family: all samples of one name stand together.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

/// Labels of a sample.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// Begins a family. Its head is written with its first sample: a name without any says nothing.
    pub(super) const fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) -> Family<'_> {
        Family { page: self, name, kind, help, has_head: false }
    }

    pub(super) const fn gauge(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, Kind::Gauge, help)
    }

    pub(super) const fn counter(&mut self, name: &'static str, help: &'static str) -> Family<'_> {
        self.family(name, Kind::Counter, help)
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

pub(super) struct Family<'a> {
    page: &'a mut Page,
    name: &'static str,
    kind: Kind,
    help: &'static str,
    has_head: bool,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.line("", labels, None, value);
    }

    /// 1 for what holds, 0 for what does not.
    pub(super) fn flag(&mut self, labels: Labels<'_>, holds: bool) {
        self.sample(labels, if holds { 1.0 } else { 0.0 });
    }

    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in histogram.cumulative() {
            self.line("_bucket", labels, Some(bound), count as f64);
        }
        self.line("_sum", labels, None, histogram.sum_seconds());
        self.line("_count", labels, None, histogram.count() as f64);
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<f64>, value: f64) {
        let text = &mut self.page.text;
        if !self.has_head {
            let kind = match self.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            // Writing to a String can't fail.
            let _ = writeln!(text, "# HELP {} {}\n# TYPE {} {kind}", self.name, self.help, self.name);
            self.has_head = true;
        }
        let _ = write!(text, "{}{suffix}", self.name);
        let mut open = '{';
        for (name, value) in labels {
            let _ = write!(text, "{open}{name}=\"");
            escape(text, value);
            text.push('"');
            open = ',';
        }
        if let Some(bound) = bound {
            let _ = write!(text, "{open}le=\"");
            number(text, bound);
            text.push('"');
            open = ',';
        }
        if open == ',' {
            text.push('}');
        }
        text.push(' ');
        number(text, value);
        text.push('\n');
    }
}

fn number(text: &mut String, value: f64) {
    let _ = match value {
        value if value == f64::INFINITY => write!(text, "+Inf"),
        value if value == f64::NEG_INFINITY => write!(text, "-Inf"),
        value => write!(text, "{value}"),
    };
}

fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_page_is_as_prometheus_wants_it() {
        let mut page = Page::default();
        page.gauge("nothing", "Not there.");
        let mut family = page.gauge("a_bytes", "Bytes.");
        family.sample(&[("volume", "a\"b\\c\nd"), ("node", "")], 1_099_511_627_776.0);
        family.sample(&[], 0.5);
        let mut histogram = Histogram::new(&[0.25]);
        histogram.observe(Duration::from_millis(500));
        page.family("b_seconds", Kind::Histogram, "Time.").histogram(&[("name", "x")], &histogram);
        let expected = "# HELP a_bytes Bytes.\n# TYPE a_bytes gauge\n\
            a_bytes{volume=\"a\\\"b\\\\c\\nd\",node=\"\"} 1099511627776\na_bytes 0.5\n\
            # HELP b_seconds Time.\n# TYPE b_seconds histogram\n\
            b_seconds_bucket{name=\"x\",le=\"0.25\"} 0\nb_seconds_bucket{name=\"x\",le=\"+Inf\"} 1\n\
            b_seconds_sum{name=\"x\"} 0.5\nb_seconds_count{name=\"x\"} 1\n";
        assert_eq!(page.into_text(), expected);
    }
}
