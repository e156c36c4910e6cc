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
use crate::words::{Mark, tr};
use crate::{address, api, clock, role, words};

/// An entry of the navigation. Labels are English; the navigation translates them.
struct Place {
    href: &'static str,
    icon: Icon,
    label: &'static str,
}

const fn place(href: &'static str, icon: Icon, label: &'static str) -> Place {
    Place { href, icon, label }
}

/// Title and entries of each part. The first ones stand at the bottom of a phone, too.
const PARTS: [(&str, &[Place]); 5] = [
    (
        "",
        &[
            place("", Icon::Dashboard, "Dashboard"),
            place("volumes", Icon::Volumes, "Volumes"),
            place("nodes", Icon::Nodes, "Nodes"),
            place("topology", Icon::Topology, "Topology"),
        ],
    ),
    (
        "Protection",
        &[
            place("backups", Icon::Backups, "Backups"),
            place("backup-targets", Icon::Targets, "Backup targets"),
            place("recurring-jobs", Icon::Recurring, "Recurring jobs"),
            place("system-backups", Icon::SystemBackups, "System backups"),
        ],
    ),
    (
        "Operations",
        &[
            place("jobs", Icon::Jobs, "Jobs"),
            place("events", Icon::Events, "Events"),
            place("audit", Icon::Audit, "Audit"),
        ],
    ),
    (
        "Advanced",
        &[
            place("backing-images", Icon::Images, "Backing images"),
            place("orphans", Icon::Orphans, "Orphans"),
            place("engine-images", Icon::Engine, "Engine images"),
            place("instance-managers", Icon::Instances, "Instance managers"),
        ],
    ),
    ("", &[place("settings", Icon::Settings, "Settings"), place("support", Icon::Support, "Support")]),
];

#[component]
pub(crate) fn Navigation() -> impl IntoView {
    let live = Live::expect();
    let count = move |number: usize| live.loaded.get().then(|| words::grouped(number));
    let entry = move |place: &'static Place| {
        let count = move || match place.href {
            "volumes" => count(live.volumes.len()),
            "nodes" => count(live.nodes.len()),
            _ => None,
        };
        view! { <Entry href=place.href icon=place.icon label=tr(place.label) count=Signal::derive(count) /> }
    };
    let part = move |(title, places): (&'static str, &'static [Place])| {
        let places = places.iter().filter(|place| place.href != "audit" || role::is_admin());
        let title = (!title.is_empty()).then(|| view! { <h2 class="part">{tr(title)}</h2> });
        view! { <div class="part">{title}{places.map(entry).collect_view()}</div> }
    };
    view! {
        <nav class="side" aria-label=tr("Main")>
            <a class="home" href="./" aria-label=tr("Aurochs, dashboard")><Brand /></a>
            <div class="parts">{move || PARTS.into_iter().map(part).collect_view()}</div>
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
