//! Where the application is mounted. The page shell sets `<base href>` to the application's root, under whatever prefix
//! a proxy put it; everything here and every `href` in the views is relative to it.

use std::cell::RefCell;
use std::rc::Rc;

use leptos::prelude::{document, window};
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;

/// Path of the application's root without the final slash: empty, or such as `/storage/aurochs`.
pub(crate) fn root_path() -> String {
    let base = document().base_uri().ok().flatten().unwrap_or_default();
    path_of(&base).trim_end_matches('/').to_owned()
}

/// The server answers every page with the login form when the session has ended.
pub(crate) fn reload_for_login() {
    // A failed reload leaves the page as it is; the next answer tries again.
    _ = window().location().reload();
}

/// Address of a volume's page, relative to the base.
pub(crate) fn volume(name: &str) -> String {
    format!("volumes/{name}")
}

/// The router's way to another page.
type Navigate = Rc<dyn Fn(&str)>;

thread_local! {
    static NAVIGATE: RefCell<Option<Navigate>> = const { RefCell::new(None) };
}

/// Keeps the router's way for [`go`]. Called once, by what stands inside of the router.
pub(crate) fn keep_router() {
    let navigate = use_navigate();
    let go = move |address: &str| {
        let options = NavigateOptions { resolve: false, ..NavigateOptions::default() };
        navigate(&format!("{}/{address}", root_path()), options);
    };
    NAVIGATE.set(Some(Rc::new(go)));
}

/// Goes to a page (`files?volume=x`). For what is chosen in a menu or a dialog, where no router is at hand.
pub(crate) fn go(address: &str) {
    let navigate = NAVIGATE.with_borrow(Clone::clone);
    if let Some(navigate) = navigate {
        navigate(address);
    }
}

fn path_of(uri: &str) -> &str {
    let after_scheme = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let path = after_scheme.find('/').map_or("/", |start| &after_scheme[start..]);
    path.split(['?', '#']).next().unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_prefix() {
        assert_eq!(path_of("http://127.0.0.1:9500/"), "/");
        assert_eq!(path_of("https://host/storage/aurochs/?x=/y#z"), "/storage/aurochs/");
        assert_eq!(path_of("http://host"), "/");
    }
}
