//! Lists stand still while somebody is about to press something: menus and dialogs hold them.

use leptos::prelude::*;

#[derive(Clone, Copy)]
pub(crate) struct Hold(RwSignal<u32>);

impl Hold {
    pub(crate) fn provide() {
        provide_context(Self(RwSignal::new(0)));
    }

    pub(crate) fn expect() -> Self {
        expect_context()
    }

    /// Follows whether anything holds.
    pub(crate) fn is_held(self) -> bool {
        self.0.get() > 0
    }

    /// Holds until the owner of the caller (the open menu, the dialog) is gone.
    pub(crate) fn while_mounted(self) {
        self.0.update(|holders| *holders += 1);
        on_cleanup(move || self.0.update(|holders| *holders = holders.saturating_sub(1)));
    }
}
