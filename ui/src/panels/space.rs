//! Space: four parts that add up, for file systems and, where there are any, for block disks; and Longhorn's figures of the
//! same disks, which overlap.

use aurochs_api::node::{Figures, Node, Space};
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use crate::components::bar::{Bar, Part, share};
use crate::live::Live;
use crate::words::{fill, tr};

/// The nodes with the disks of one type alone.
fn with_type(nodes: &[std::sync::Arc<Node>], block: bool) -> Vec<Node> {
    let only = |node: &std::sync::Arc<Node>| {
        let mut node = Node::clone(node);
        node.disks.retain(|_, disk| (disk.disk_type == "block") == block);
        node
    };
    nodes.iter().map(only).collect()
}

#[component]
pub(crate) fn SpacePanel() -> impl IntoView {
    let live = Live::expect();
    let of_type = move |block: bool| {
        Memo::new(move |_| {
            let nodes = with_type(&live.nodes.all(), block);
            (Space::of(&nodes), Figures::of(&nodes))
        })
    };
    let (files, blocks) = (of_type(false), of_type(true));
    let has_blocks = Memo::new(move |_| blocks.with(|(space, _)| space.total > ByteSize::ZERO));
    view! {
        <section class="card" aria-labelledby="space-title" data-testid="space">
            <h2 id="space-title"><a href="nodes">{tr("Space")}</a></h2>
            <SpacePart of=files />
            <Show when=move || has_blocks.get()>
                <h3>{tr("Block disks")}</h3>
                <SpacePart of=blocks />
            </Show>
        </section>
    }
}

#[component]
fn SpacePart(of: Memo<(Space, Figures)>) -> impl IntoView {
    let parts = Signal::derive(move || {
        let (space, _) = of.get();
        let part = |(_, colour, size): &(&str, &'static str, ByteSize)| Part {
            share: share(size.bytes(), space.total.bytes()),
            colour,
        };
        named(space).iter().map(part).collect()
    });
    let promised = move || {
        let (space, figures) = of.get();
        let enabled = space.total.saturating_sub(space.disabled);
        fill(
            "{} are promised to replicas, of {} on enabled disks. {} are reserved for others; what they use of it counts as used.",
            &[&figures.used, &enabled, &figures.reserved],
        )
    };
    view! {
        <p class="big">
            {move || of.get().0.schedulable.to_string()}
            <small>" "{move || fill("schedulable of {}", &[&of.get().0.total])}</small>
        </p>
        <Bar parts />
        <dl class="legend">
            {move || named(of.get().0).map(|(name, colour, size)| view! {
                <div>
                    <dt style=format!("--c:var(--{colour})")>{name}</dt>
                    <dd>{size.to_string()}</dd>
                </div>
            }).collect_view()}
        </dl>
        <p class="xs">{promised}</p>
    }
}

fn named(space: Space) -> [(&'static str, &'static str, ByteSize); 4] {
    [
        (tr("Schedulable"), "bar-schedulable", space.schedulable),
        (tr("Reserved"), "bar-reserved", space.reserved),
        (tr("Used"), "bar-used", space.used),
        (tr("Disabled"), "bar-disabled", space.disabled),
    ]
}

#[cfg(test)]
mod tests {
    use aurochs_api::node::Disk;

    use super::*;

    #[test]
    fn types_are_told_apart() {
        let disk =
            |kind: &str, size| Disk { disk_type: kind.into(), storage_maximum: ByteSize(size), ..Disk::default() };
        let disks = [
            ("a".to_owned(), disk("", 1)),
            ("b".to_owned(), disk("filesystem", 2)),
            ("c".to_owned(), disk("block", 4)),
        ];
        let nodes = [std::sync::Arc::new(Node { disks: disks.into(), ..Node::default() })];
        assert_eq!(Space::of(&with_type(&nodes, false)).total, ByteSize(3));
        assert_eq!(Space::of(&with_type(&nodes, true)).total, ByteSize(4));
    }
}
