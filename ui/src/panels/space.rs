//! Space: four parts that add up.

use aurochs_api::node::Space;
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use crate::components::bar::{Bar, Part, share};
use crate::live::Live;

#[component]
pub(crate) fn SpacePanel() -> impl IntoView {
    let live = Live::expect();
    let space = Memo::new(move |_| Space::of(live.nodes.all().iter().map(AsRef::as_ref)));
    let parts = Signal::derive(move || {
        let space = space.get();
        let part = |(_, colour, size): &(&str, &'static str, ByteSize)| Part {
            share: share(size.bytes(), space.total.bytes()),
            colour,
        };
        named(space).iter().map(part).collect()
    });
    view! {
        <section class="card" aria-labelledby="space-title" data-testid="space">
            <h2 id="space-title">"Space"</h2>
            <p class="big">
                {move || space.get().schedulable.to_string()}
                <small>" schedulable of "{move || space.get().total.to_string()}</small>
            </p>
            <Bar parts />
            <dl class="legend">
                {move || named(space.get()).map(|(name, colour, size)| view! {
                    <div>
                        <dt style=format!("--c:var(--{colour})")>{name}</dt>
                        <dd>{size.to_string()}</dd>
                    </div>
                }).collect_view()}
            </dl>
        </section>
    }
}

fn named(space: Space) -> [(&'static str, &'static str, ByteSize); 4] {
    [
        ("Schedulable", "bar-schedulable", space.schedulable),
        ("Reserved", "bar-reserved", space.reserved),
        ("Used", "bar-used", space.used),
        ("Disabled", "bar-disabled", space.disabled),
    ]
}
