//! Which rows are in view. All rows have the same height, so it follows from where the table stands.

use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;

/// Heights of the style sheet (`65-table.css`).
const ROW_PIXELS: f64 = 40.0;
const NARROW_ROW_PIXELS: f64 = 64.0;
const HEAD_PIXELS: f64 = 36.0;
/// Rows drawn beyond the view on either side: scrolling shows them before the next frame draws more.
const BEYOND: usize = 6;
/// Rows come and go in groups, so that not every pixel of scrolling changes the list.
const GROUP: usize = 8;

/// First row and the one after the last.
pub(super) type Span = (usize, usize);

/// Height of a row in pixels.
pub(super) fn row_pixels(narrow: bool) -> f64 {
    if narrow { NARROW_ROW_PIXELS } else { ROW_PIXELS }
}

/// The rows between two heights, measured from the first row's upper edge.
fn span(top: f64, bottom: f64, row: f64, count: usize) -> Span {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cut off float is the row it is in")]
    let at = |pixels: f64| (pixels / row).max(0.0) as usize;
    let first = at(top).saturating_sub(BEYOND) / GROUP * GROUP;
    let last = (at(bottom) + 1 + BEYOND).next_multiple_of(GROUP);
    (first.min(count), last.min(count))
}

/// Follows scrolling and the size of the window; `frame` is what scrolls, or stands in the page that does.
pub(super) fn in_view(frame: NodeRef<html::Div>, count: Memo<usize>, narrow: Signal<bool>) -> Memo<Span> {
    // Enough for the first view of any screen.
    let edges = RwSignal::new((0.0, 1200.0));
    let asked = StoredValue::new(false);
    let measure = move || {
        _ = asked.try_set_value(false);
        let Some(frame) = frame.try_get_untracked().flatten() else { return };
        let height = window().inner_height().ok().and_then(|height| height.as_f64()).unwrap_or(1200.0);
        let place = frame.get_bounding_client_rect();
        let head = if narrow.get_untracked() { 0.0 } else { HEAD_PIXELS };
        let first_row = place.top() - f64::from(frame.scroll_top()) + head;
        let (top, bottom) = (place.top().max(0.0) - first_row, place.bottom().min(height) - first_row);
        if edges.get_untracked() != (top, bottom) {
            edges.set((top, bottom.max(top)));
        }
    };
    let soon = move || {
        if asked.try_get_value() == Some(false) {
            asked.set_value(true);
            request_animation_frame(measure);
        }
    };
    let resized = window_event_listener(ev::resize, move |_| soon());
    // Scrolling does not bubble; whatever scrolls is heard on the way down.
    let heard = Closure::<dyn Fn()>::new(soon);
    let listener: js_sys::Function = heard.as_ref().unchecked_ref::<js_sys::Function>().clone();
    let kept = StoredValue::new_local(Some(heard));
    // Adding a listener only fails for one that is no function.
    _ = window().add_event_listener_with_callback_and_bool("scroll", &listener, true);
    let listener = StoredValue::new_local(listener);
    on_cleanup(move || {
        resized.remove();
        if let Some(listener) = listener.try_get_value() {
            _ = window().remove_event_listener_with_callback_and_bool("scroll", &listener, true);
        }
        drop(kept.try_update_value(Option::take));
    });
    Effect::new(move |_| {
        count.track();
        narrow.track();
        if frame.get().is_some() {
            soon();
        }
    });
    Memo::new(move |_| {
        let (top, bottom) = edges.get();
        span(top, bottom, row_pixels(narrow.get()), count.get())
    })
}

/// Whether the window is as narrow as a phone.
pub(super) fn narrow() -> Signal<bool> {
    let query = || window().match_media("(max-width: 760px)").ok().flatten().is_some_and(|query| query.matches());
    let narrow = RwSignal::new(query());
    let resized = window_event_listener(ev::resize, move |_| {
        let now = query();
        if narrow.get_untracked() != now {
            narrow.set(now);
        }
    });
    on_cleanup(move || resized.remove());
    narrow.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_view() {
        assert_eq!(span(0.0, 800.0, 40.0, 10_000), (0, 32));
        assert_eq!(span(40_000.0, 40_800.0, 40.0, 10_000), (992, 1032));
        assert_eq!(span(399_600.0, 400_400.0, 40.0, 10_000), (9984, 10_000));
        assert_eq!(span(-500.0, -1.0, 40.0, 3), (0, 3), "a table below the view has its first rows");
        assert_eq!(span(9999.0, 12_000.0, 40.0, 0), (0, 0));
    }
}
