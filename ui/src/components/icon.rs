//! One family of icons: strokes on a grid of 16.

use leptos::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    Dashboard,
    Volumes,
    Nodes,
    More,
    Close,
    Copy,
    Check,
    Plus,
    Up,
    Down,
    Light,
    Dark,
    System,
    SignOut,
    Search,
    Topology,
    Backups,
    Targets,
    Recurring,
    SystemBackups,
    Jobs,
    Events,
    Audit,
    Images,
    Orphans,
    Engine,
    Instances,
    Settings,
    Support,
    Columns,
    Menu,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::Dashboard => "M2 2h5v6H2zM9 2h5v4H9zM9 8h5v6H9zM2 10h5v4H2z",
            Self::Volumes => {
                "M3 4c0-1.1 2.2-2 5-2s5 .9 5 2-2.2 2-5 2-5-.9-5-2zm0 0v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2"
            }
            Self::Nodes => "M2 3h12v4H2zM2 9h12v4H2zM5 5h.01M5 11h.01",
            Self::More => "M3.5 8h.01M8 8h.01M12.5 8h.01",
            Self::Close => "M4 4l8 8m0-8-8 8",
            Self::Copy => "M6 6h7v7H6zM10 6V3H3v7h3",
            Self::Check => "M3 8.5 6.5 12 13 4.5",
            Self::Plus => "M8 3v10M3 8h10",
            Self::Up => "M8 13V3m0 0L4.5 6.5M8 3l3.5 3.5",
            Self::Down => "M8 3v10m0 0 3.5-3.5M8 13 4.5 9.5",
            Self::Light => {
                "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.2m0 10.6v1.2M1.5 8h1.2m10.6 0h1.2M3.4 3.4l.9.9m7.4 7.4.9.9m0-9.2-.9.9m-7.4 7.4-.9.9"
            }
            Self::Dark => "M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1z",
            Self::System => "M2 3h12v8H2zM5.5 14h5M8 11v3",
            Self::SignOut => "M9.5 5V2.5h-7v11h7V11M6 8h8m0 0-2.5-2.5M14 8l-2.5 2.5",
            Self::Search => "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zm3.6-1.4L14 14",
            Self::Topology => {
                "M8 3.5a1.5 1.5 0 1 0 0-.01M3.5 13a1.5 1.5 0 1 0 0-.01M12.5 13a1.5 1.5 0 1 0 0-.01M7 4.8 4.3 11.6M9 4.8l2.7 6.8M5 13h6"
            }
            Self::Backups => "M8 2v7m0 0L5 6m3 3 3-3M2.5 10v3.5h11V10",
            Self::Targets => "M2.5 4.5h11v3h-11zM2.5 9.5h11v3h-11zM10.5 6h.01M10.5 11h.01",
            Self::Recurring => "M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3",
            Self::SystemBackups => "M2.5 3h11v8h-11zM8 5v4m0 0L6.5 7.5M8 9l1.5-1.5M5 13.5h6",
            Self::Jobs => "M3 4h.01M3 8h.01M3 12h.01M6 4h7M6 8h7M6 12h7",
            Self::Events => "M8 2.5c-2.5 0-4 1.8-4 4v3L2.5 11.5h11L12 9.5v-3c0-2.2-1.5-4-4-4zM6.5 13.5h3",
            Self::Audit => "M4 2h6l3 3v9H4zM6.5 7h4M6.5 10h4",
            Self::Images => "M2.5 3h11v10h-11zM2.5 11l3-3.5 2.5 2.5 2-2 3.5 3.5M10.5 6h.01",
            Self::Orphans => "M3 5h10M6 5V3h4v2M4.5 5l.6 8.5h5.8l.6-8.5",
            Self::Engine => {
                "M8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 2v2m0 8v2M2 8h2m8 0h2M3.8 3.8l1.4 1.4m5.6 5.6 1.4 1.4m0-8.4-1.4 1.4m-5.6 5.6-1.4 1.4"
            }
            Self::Instances => "M3 3h4v4H3zM9 3h4v4H9zM3 9h4v4H3zM9 9h4v4H9z",
            Self::Settings => "M3 4.5h5m3 0h2M3 8h2m3 0h5M3 11.5h6m3 0h1M9.5 3v3M6.5 6.5v3M10.5 10v3",
            Self::Support => "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM6.3 6.3A1.8 1.8 0 1 1 8 8.5v.8M8 11.3h.01",
            Self::Columns => "M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10",
            Self::Menu => "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
        }
    }
}

/// Decoration: the words beside it say the same.
#[component]
pub(crate) fn Pictogram(icon: Icon) -> impl IntoView {
    let weight = if icon == Icon::More { "2.4" } else { "1.6" };
    view! {
        <svg class="icon" viewBox="0 0 16 16" stroke-width=weight aria-hidden="true">
            <path d=icon.path() />
        </svg>
    }
}

/// The aurochs.
#[component]
pub(crate) fn Brand() -> impl IntoView {
    view! {
        <span class="brand">
            <svg viewBox="0 0 24 24" aria-hidden="true">
                <path d="M3 5c0 6 4 8 9 8s9-2 9-8M12 13v3m-4 0h8l-2 5h-4z" />
            </svg>
            "Aurochs"
        </span>
    }
}
