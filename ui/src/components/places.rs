//! The details of a cause: every place that was looked at, and by how much it fell short.

use aurochs_api::cause::CauseDetail;
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use crate::clock;
use crate::words::{self, fill};

/// What is missing, where the rule is about bytes.
fn shortfall(detail: &CauseDetail) -> Option<String> {
    let (wanted, has) = (ByteSize(detail.wanted_bytes?), ByteSize(detail.has_bytes?));
    let missing = wanted.saturating_sub(has);
    Some(match missing {
        ByteSize::ZERO => fill("needs {}, has {}", &[&wanted, &has]),
        _ => fill("needs {}, has {}, {} short", &[&wanted, &has, &missing]),
    })
}

/// One sentence needs no list that says it again.
fn says_more(details: &[CauseDetail]) -> bool {
    details.len() > 1 || details.iter().any(|detail| shortfall(detail).is_some())
}

#[component]
pub(crate) fn Places(details: Vec<CauseDetail>) -> impl IntoView {
    let line = |detail: CauseDetail| {
        let numbers = shortfall(&detail).map(|text| view! { <span class="xs">{text}</span> });
        view! { <li>{clock::localized(&detail.text)}{numbers}</li> }
    };
    says_more(&details).then(|| {
        view! {
            <details class="places">
                <summary class="xs">{words::count(details.len(), "detail")}</summary>
                <ul>{details.into_iter().map(line).collect_view()}</ul>
            </details>
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted() {
        let detail = |wanted, has| CauseDetail { wanted_bytes: wanted, has_bytes: has, ..CauseDetail::default() };
        assert_eq!(shortfall(&detail(Some(3072), Some(1024))).unwrap(), "needs 3 KiB, has 1 KiB, 2 KiB short");
        assert_eq!(shortfall(&detail(Some(1024), Some(2048))).unwrap(), "needs 1 KiB, has 2 KiB");
        assert_eq!(shortfall(&detail(Some(1), None)), None);
        assert!(!says_more(&[detail(None, None)]) && says_more(&[detail(None, None), detail(None, None)]));
    }
}
