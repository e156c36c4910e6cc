//! The application: what surrounds every page, and which page an address shows.

use std::borrow::Cow;

use leptos::mount::mount_to;
use leptos::prelude::*;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::hooks::use_location;
use leptos_router::path;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::dialogs::{OpenQuestion, Questions};
use crate::hold::Hold;
use crate::live::{Link, Live};
use crate::notices::Notices;
use crate::pages::audit::AuditPage;
use crate::pages::backing_images::BackingImagesPage;
use crate::pages::backup_targets::BackupTargetsPage;
use crate::pages::backup_volume::BackupVolumePage;
use crate::pages::backups::BackupsPage;
use crate::pages::dashboard::DashboardPage;
use crate::pages::engine_images::EngineImagesPage;
use crate::pages::events::EventsPage;
use crate::pages::files::FilesPage;
use crate::pages::instance_managers::InstanceManagersPage;
use crate::pages::jobs::JobsPage;
use crate::pages::missing::MissingPage;
use crate::pages::node::NodePage;
use crate::pages::nodes::NodesPage;
use crate::pages::orphans::OrphansPage;
use crate::pages::recurring_jobs::RecurringJobsPage;
use crate::pages::settings::SettingsPage;
use crate::pages::support::SupportPage;
use crate::pages::system_backups::SystemBackupsPage;
use crate::pages::topology::TopologyPage;
use crate::pages::volume::VolumePage;
use crate::pages::volumes::VolumesPage;
use crate::panels::frame::{Navigation, PhoneBar, StaleBanner};
use crate::panels::notices::NoticeList;
use crate::panels::palette::{Palette, SearchPalette};
use crate::theme::Theme;
use crate::words::tr;
use crate::{address, clock, role};

/// Replaces the skeleton of the page shell.
pub(crate) fn mount() {
    Theme::stored().apply();
    let place = document().get_element_by_id("app").and_then(|place| place.dyn_into::<HtmlElement>().ok());
    let Some(place) = place else {
        leptos::logging::error!("the page shell has no element with the id app");
        return;
    };
    place.set_inner_html("");
    mount_to(place, App).forget();
}

#[component]
fn App() -> impl IntoView {
    clock::start();
    role::start();
    Hold::provide();
    Notices::provide();
    Questions::provide();
    Palette::provide();
    let live = Live::start();
    let base: Cow<'static, str> = address::root_path().into();
    let stale = move || matches!(live.link.get(), Link::Reconnecting { .. });
    view! {
        <Router base>
            <a class="skip" href="#main" rel="external" on:click=focus_main>{tr("Skip to content")}</a>
            <div class="frame" class:stale=stale>
                <Navigation />
                <PhoneBar />
                <main id="main" tabindex="-1">
                    <StaleBanner />
                    <Pages />
                </main>
            </div>
            <OpenQuestion />
            <SearchPalette />
            <NoticeList />
        </Router>
    }
}

#[component]
fn Pages() -> impl IntoView {
    address::keep_router();
    let path = use_location().pathname;
    // Whoever doesn't see the page hears that another one has come.
    Effect::new(move |before: Option<()>| {
        path.track();
        if before.is_some() {
            focus_by_id("main");
        }
    });
    view! {
        <FlatRoutes fallback=MissingPage>
            <Route path=path!("") view=DashboardPage />
            <Route path=path!("volumes") view=VolumesPage />
            <Route path=path!("volumes/:name") view=VolumePage />
            <Route path=path!("nodes") view=NodesPage />
            <Route path=path!("nodes/:name") view=NodePage />
            <Route path=path!("topology") view=TopologyPage />
            <Route path=path!("backups") view=BackupsPage />
            <Route path=path!("backups/:target/:volume") view=BackupVolumePage />
            <Route path=path!("backup-targets") view=BackupTargetsPage />
            <Route path=path!("system-backups") view=SystemBackupsPage />
            <Route path=path!("recurring-jobs") view=RecurringJobsPage />
            <Route path=path!("backing-images") view=BackingImagesPage />
            <Route path=path!("files") view=FilesPage />
            <Route path=path!("orphans") view=OrphansPage />
            <Route path=path!("engine-images") view=EngineImagesPage />
            <Route path=path!("instance-managers") view=InstanceManagersPage />
            <Route path=path!("jobs") view=JobsPage />
            <Route path=path!("events") view=EventsPage />
            <Route path=path!("audit") view=AuditPage />
            <Route path=path!("settings") view=SettingsPage />
            <Route path=path!("support") view=SupportPage />
        </FlatRoutes>
    }
}

/// The base of the document would send `#main` to the start page.
fn focus_main(event: leptos::ev::MouseEvent) {
    event.prevent_default();
    focus_by_id("main");
}

fn focus_by_id(id: &str) {
    if let Some(element) = document().get_element_by_id(id).and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        _ = element.focus();
    }
}
