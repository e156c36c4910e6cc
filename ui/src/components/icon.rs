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
