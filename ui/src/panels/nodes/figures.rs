//! Size, Allocated and Used of disks, as Longhorn reckons them: bars with their figures.

use aurochs_api::node::{Columns, Disk, Share};
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use crate::components::bar::{Bar, Part};
use crate::live::Live;
use crate::words::{fill, tr};

/// From here on a bar warns.
const WARN_PERCENT: u64 = 90;

/// Promised to replicas and to backing images.
fn split<'a>(disks: impl Iterator<Item = &'a Disk>) -> (ByteSize, ByteSize) {
    let sum = |map: &std::collections::BTreeMap<String, u64>| map.values().copied().fold(0_u64, u64::saturating_add);
    disks.fold((ByteSize::ZERO, ByteSize::ZERO), |(replicas, images), disk| {
        let (here, there) = (ByteSize(sum(&disk.scheduled_replica)), ByteSize(sum(&disk.scheduled_backing_image)));
        (replicas.saturating_add(here), images.saturating_add(there))
    })
}

fn colour(percent: u64) -> &'static str {
    match percent {
        101.. => "faulted",
        WARN_PERCENT..=100 => "degraded",
        _ => "bar-schedulable",
    }
}

#[component]
fn ShareBar(
    /// Already translated.
    label: &'static str,
    share: Share,
    hint: String,
) -> impl IntoView {
    let percent = share.percent();
    #[expect(clippy::cast_precision_loss, reason = "a percentage")]
    let part = Part { share: percent.min(100) as f64 / 100.0, colour: colour(percent) };
    view! {
        <div class="share" title=hint>
            <span class="xs">{label}</span>
            <span class="share-bar"><Bar parts=Signal::stored(vec![part]) thin=true /></span>
            <span class="num">{format!("{percent} %")}</span>
            <span class="xs num">{fill("{} of {}", &[&share.part, &share.whole])}</span>
        </div>
    }
}

/// The three of some disks.
#[component]
pub(crate) fn Figures(disks: Vec<Disk>) -> impl IntoView {
    let live = Live::expect();
    let limit = Memo::new(move |_| live.setting_number("storage-over-provisioning-percentage").unwrap_or(100));
    move || {
        let columns = Columns::of(&disks, limit.get());
        let (replicas, images) = split(disks.iter());
        let promised = fill(
            "Replicas {}, backing images {}. Up to {} % of the size may be promised.",
            &[&replicas, &images, &limit.get()],
        );
        let used =
            fill("{} of {} are taken on the file systems, by whomever.", &[&columns.used.part, &columns.used.whole]);
        let reserved = (columns.reserved > ByteSize::ZERO)
            .then(|| view! { <span class="xs">{fill("+ {} reserved", &[&columns.reserved])}</span> });
        view! {
            <div class="figures">
                <ShareBar label=tr("Allocated") share=columns.allocated hint=promised />
                <ShareBar label=tr("Used") share=columns.used hint=used />
                <div class="share size" title=tr("What is not reserved for others")>
                    <span class="xs">{tr("Size")}</span>
                    <span class="num">{columns.size.to_string()}</span>
                    {reserved}
                </div>
            </div>
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_warns_before_it_is_full() {
        assert_eq!(
            [0, 89, 90, 100, 101].map(colour),
            ["bar-schedulable", "bar-schedulable", "degraded", "degraded", "faulted"]
        );
    }

    #[test]
    fn what_is_promised_is_told_apart() {
        let disk = Disk {
            scheduled_replica: [("a".to_owned(), 3), ("b".to_owned(), 4)].into(),
            scheduled_backing_image: [("i".to_owned(), 5)].into(),
            ..Disk::default()
        };
        assert_eq!(split([&disk, &disk].into_iter()), (ByteSize(14), ByteSize(10)));
    }
}
