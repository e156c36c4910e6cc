//! What stands around every page: navigation, live state, theme, who is logged in.

use aurochs_api::session::Role;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos_router::hooks::use_location;

use super::palette::Palette;
use crate::components::badge::Shape;
use crate::components::icon::{Brand, Icon, Pictogram};
use crate::language::Language;
use crate::live::{Link, Live};
use crate::notices::Notices;
use crate::theme::Theme;
use crate::words::{Mark, fill, label, tr};
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
            place("", Icon::Dashboard, label("Dashboard")),
            place("volumes", Icon::Volumes, label("Volumes")),
            place("nodes", Icon::Nodes, label("Nodes")),
            place("topology", Icon::Topology, label("Topology")),
        ],
    ),
    (
        label("Protection"),
        &[
            place("backups", Icon::Backups, label("Backups")),
            place("backup-targets", Icon::Targets, label("Backup targets")),
            place("recurring-jobs", Icon::Recurring, label("Recurring jobs")),
            place("system-backups", Icon::SystemBackups, label("System backups")),
        ],
    ),
    (
        label("Operations"),
        &[
            place("jobs", Icon::Jobs, label("Jobs")),
            place("events", Icon::Events, label("Events")),
            place("audit", Icon::Audit, label("Audit")),
        ],
    ),
    (
        label("Advanced"),
        &[
            place("backing-images", Icon::Images, label("Backing images")),
            place("orphans", Icon::Orphans, label("Orphans")),
            place("engine-images", Icon::Engine, label("Engine images")),
            place("instance-managers", Icon::Instances, label("Instance managers")),
        ],
    ),
    ("", &[place("settings", Icon::Settings, label("Settings")), place("support", Icon::Support, label("Support"))]),
];

/// Address and label (English) of every page of the navigation that this user may see.
pub(crate) fn places() -> impl Iterator<Item = (&'static str, &'static str)> {
    let admin = untrack(role::is_admin);
    let shown = move |place: &&Place| place.href != "audit" || admin;
    PARTS.into_iter().flat_map(move |(_, places)| places.iter().filter(shown)).map(|place| (place.href, place.label))
}

#[component]
pub(crate) fn Navigation() -> impl IntoView {
    let live = Live::expect();
    // On a phone the pages besides the first ones unfold, until one is chosen.
    let open = RwSignal::new(false);
    let path = use_location().pathname;
    Effect::new(move |_| {
        path.track();
        open.set(false);
    });
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
        <nav class="side" class:open=move || open.get() aria-label=tr("Main")>
            <a class="home" href="./" aria-label=tr("Aurochs, dashboard")><Brand /></a>
            <SearchButton />
            <div class="parts">{move || PARTS.into_iter().map(part).collect_view()}</div>
            <button
                type="button"
                class="entry rest"
                aria-expanded=move || open.get().to_string()
                on:click=move |_| open.update(|open| *open = !*open)
            >
                <Pictogram icon=Icon::Menu />
                <span>{tr("More")}</span>
            </button>
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
            <a class="home" href="./" aria-label=tr("Aurochs, dashboard")><Brand /></a>
            <LiveState />
            <SearchButton />
            <details class="account-menu">
                <summary aria-label=tr("Menu, account and theme")><Pictogram icon=Icon::More /></summary>
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
fn SearchButton() -> impl IntoView {
    let palette = Palette::expect();
    view! {
        <button type="button" class="find" aria-label=tr("Search") aria-keyshortcuts="/ Control+K" on:click=move |_| palette.open() data-testid="find">
            <Pictogram icon=Icon::Search />
            <span>{tr("Search")}</span>
            <kbd aria-hidden="true">"/"</kbd>
        </button>
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
    let session = move || role::session().unwrap_or_default();
    let place = move || {
        let session = session();
        match (session.cluster.as_str(), session.version.as_str()) {
            ("", "") => String::new(),
            ("", version) => format!("v{}", version.trim_start_matches('v')),
            (cluster, version) => format!("{cluster} · v{}", version.trim_start_matches('v')),
        }
    };
    let looks_only = move || {
        (session().role == Role::Viewer && !session().user.is_empty())
            .then(|| view! { <span class="tag">{tr("may look only")}</span> })
    };
    view! {
        <div class="account">
            <ThemeSwitch />
            <LanguageSwitch />
            <span class="place">{place}</span>
            <span class="user">
                <span>{move || session().user}{looks_only}</span>
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
            {tr("Sign out")}
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
        <div class="segments" role="group" aria-label=tr("Theme")>
            {Theme::ALL.into_iter().map(choice).collect_view()}
        </div>
    }
}

/// Each language by its own name, so that who speaks it finds it.
#[component]
fn LanguageSwitch() -> impl IntoView {
    let choice = |this: Language| {
        let spoken = if words::is_chinese() { Language::Chinese } else { Language::English };
        view! {
            <button type="button" lang=this.key() aria-pressed=(spoken == this).to_string() on:click=move |_| this.choose()>
                {this.name()}
            </button>
        }
    };
    view! {
        <div class="segments" role="group" aria-label=tr("Language")>
            {Language::ALL.into_iter().map(choice).collect_view()}
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
        (Link::Reconnecting { .. }, false) => Some(tr("The manager can't be reached. Trying again…").to_owned()),
        (Link::Reconnecting { since }, true) => Some(fill(
            "The connection was lost {}. What you see is from then; trying again…",
            &[&words::age(now.get() - since)],
        )),
    };
    view! {
        <div role="status">
            {move || sentence().map(|sentence| view! { <p class="banner"><Shape mark=Signal::stored(Mark::Progress) />{sentence}</p> })}
        </div>
    }
}
