//! Bars: parts of a whole, and progress.

use leptos::prelude::*;

/// One part: its share of the whole (0 to 1) and its colour token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) share: f64,
    pub(crate) colour: &'static str,
}

/// Share of `part` in `whole`, 0 when there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "drawn with at most four digits")]
    let quotient = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    quotient.clamp(0.0, 1.0)
}

/// Parts of a whole. Decoration: the figures stand beside it.
#[component]
pub(crate) fn Bar(#[prop(into)] parts: Signal<Vec<Part>>, #[prop(optional)] thin: bool) -> impl IntoView {
    let segment = |part: Part| {
        let style = format!("width:{:.2}%;background:var(--{})", part.share * 100.0, part.colour);
        view! { <i style=style></i> }
    };
    view! {
        <div class="bar" class:thin=thin aria-hidden="true">
            {move || parts.get().into_iter().filter(|part| part.share > 0.0).map(segment).collect_view()}
        </div>
    }
}

/// How far something is, in percent.
#[component]
pub(crate) fn Progress(#[prop(into)] percent: Signal<u32>, #[prop(into)] label: Signal<String>) -> impl IntoView {
    view! {
        <div
            class="bar thin moving"
            role="progressbar"
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || percent.get()
            aria-label=move || label.get()
        >
            <i style=move || format!("width:{}%;background:var(--progress)", percent.get().min(100))></i>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares() {
        assert!((share(1, 4) - 0.25).abs() < 1e-9);
        assert!(share(1, 0).abs() < 1e-9, "nothing of nothing");
        assert!((share(5, 4) - 1.0).abs() < 1e-9, "never wider than the bar");
    }
}
