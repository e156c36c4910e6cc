//! What stands around every page: navigation, live state, theme, who is logged in.

use aurochs_api::session::Session;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_location;

use crate::components::badge::Shape;
use crate::components::icon::{Brand, Icon, Pictogram};
use crate::live::{Link, Live};
use crate::notices::Notices;
use crate::theme::Theme;
use crate::words::Mark;
use crate::{address, api, clock, words};

#[component]
pub(crate) fn Navigation() -> impl IntoView {
    let live = Live::expect();
    let count = move |number: usize| live.loaded.get().then(|| words::grouped(number));
    view! {
        <nav class="side" aria-label="Main">
            <a class="home" href="./" aria-label="Aurochs, dashboard"><Brand /></a>
            <Entry href="" icon=Icon::Dashboard label="Dashboard" count=Signal::stored(None::<String>) />
            <Entry
                href="volumes"
                icon=Icon::Volumes
                label="Volumes"
                count=Signal::derive(move || count(live.volumes.len()))
            />
            <Entry href="nodes" icon=Icon::Nodes label="Nodes" count=Signal::derive(move || count(live.nodes.len())) />
            <div class="foot">
                <LiveState />
                <Account />
            </div>
        </nav>
    }
}

/// On a phone: what the foot of the navigation holds on a desk.
#[component]
pub(crate) fn PhoneBar() -> impl IntoView {
    view! {
        <header class="phone-bar">
            <a class="home" href="./" aria-label="Aurochs, dashboard"><Brand /></a>
            <LiveState />
            <details class="account-menu">
                <summary aria-label="Account and theme"><Pictogram icon=Icon::More /></summary>
                <Account />
            </details>
        </header>
    }
}

#[component]
fn Entry(
    href: &'static str,
    icon: Icon,
    label: &'static str,
    #[prop(into)] count: Signal<Option<String>>,
) -> impl IntoView {
    let path = use_location().pathname;
    let root = address::root_path();
    let is_here = move || {
        let path = path.get();
        let below_root = path.strip_prefix(root.as_str()).unwrap_or(&path).trim_matches('/');
        below_root == href || (!href.is_empty() && below_root.starts_with(&format!("{href}/")))
    };
    // An empty address would be the present page, not the base.
    let target = if href.is_empty() { "./" } else { href };
    view! {
        <a class="entry" href=target aria-current=move || is_here().then_some("page")>
            <Pictogram icon />
            <span>{label}</span>
            <span class="count">{move || count.get()}</span>
        </a>
    }
}

#[component]
fn LiveState() -> impl IntoView {
    let live = Live::expect();
    view! {
        <span class="live" role="status" data-testid="live-state">
            <span class=move || format!("dot {}", Mark::from(live.link.get()).class())>
                <Shape mark=Signal::derive(move || live.link.get().into()) />
            </span>
            {move || words::link(live.link.get())}
        </span>
    }
}

#[component]
fn Account() -> impl IntoView {
    let session = RwSignal::new(Session::default());
    spawn_local(async move {
        // A failure shows as the state of the live stream already.
        if let Ok(answer) = api::session().await {
            _ = session.try_set(answer);
        }
    });
    let place = move || {
        session.with(|session| match (session.cluster.as_str(), session.version.as_str()) {
            ("", "") => String::new(),
            ("", version) => format!("v{}", version.trim_start_matches('v')),
            (cluster, version) => format!("{cluster} · v{}", version.trim_start_matches('v')),
        })
    };
    view! {
        <div class="account">
            <ThemeSwitch />
            <span class="place">{place}</span>
            <span class="user">
                <span>{move || session.get().user}</span>
                <SignOut />
            </span>
        </div>
    }
}

#[component]
fn SignOut() -> impl IntoView {
    let notices = Notices::expect();
    let sign_out = move |_| {
        spawn_local(async move {
            match api::log_out().await {
                Ok(()) => address::reload_for_login(),
                Err(error) => notices.failed(error),
            }
        });
    };
    view! {
        <button type="button" class="ghost" on:click=sign_out>
            <Pictogram icon=Icon::SignOut />
            "Sign out"
        </button>
    }
}

#[component]
fn ThemeSwitch() -> impl IntoView {
    let theme = RwSignal::new(Theme::stored());
    let choice = move |this: Theme| {
        let icon = match this {
            Theme::Auto => Icon::System,
            Theme::Light => Icon::Light,
            Theme::Dark => Icon::Dark,
        };
        let choose = move |_| {
            theme.set(this);
            this.keep();
        };
        view! {
            <button
                type="button"
                aria-label=words::theme(this)
                title=words::theme(this)
                aria-pressed=move || (theme.get() == this).to_string()
                on:click=choose
            >
                <Pictogram icon />
            </button>
        }
    };
    view! {
        <div class="segments" role="group" aria-label="Theme">
            {Theme::ALL.into_iter().map(choice).collect_view()}
        </div>
    }
}

/// Says that what is shown may be old.
#[component]
pub(crate) fn StaleBanner() -> impl IntoView {
    let live = Live::expect();
    let now = clock::ticking();
    let sentence = move || match (live.link.get(), live.loaded.get()) {
        (Link::Connecting | Link::Live, _) => None,
        (Link::Reconnecting { .. }, false) => Some("The manager can't be reached. Trying again…".to_owned()),
        (Link::Reconnecting { since }, true) => Some(format!(
            "The connection was lost {}. What you see is from then; trying again…",
            words::age(now.get() - since)
        )),
    };
    view! {
        <div role="status">
            {move || sentence().map(|sentence| view! { <p class="banner"><Shape mark=Signal::stored(Mark::Progress) />{sentence}</p> })}
        </div>
    }
}
