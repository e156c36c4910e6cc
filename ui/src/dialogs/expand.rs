//! Make a volume larger.

use aurochs_api::size::ByteSize;
use aurochs_api::volume::actions::Expand;
use aurochs_api::volume::inputs::ExpandInput;
use aurochs_api::volume::{SizeText, Volume};
use leptos::prelude::*;

use super::Questions;
use super::create_volume::check_size;
use crate::api;
use crate::components::call::Call;
use crate::components::dialog::Dialog;
use crate::live::Live;
use crate::notices::Notices;

/// The size that it will get, or what is wrong with what was typed.
fn larger(number: &str, unit: &str, present: ByteSize) -> Result<ByteSize, String> {
    let size = check_size(number, unit)?;
    if size <= present {
        return Err(format!("It has {present} now, and a volume never gets smaller."));
    }
    Ok(size)
}

/// What comes after the volume itself has grown.
fn afterwards(volume: &Volume) -> &'static str {
    if volume.endpoint().is_empty() {
        "Whoever uses it grows the file system in it when it is attached next."
    } else {
        "Its device grows while it is in use; a file system in it is grown by whoever mounted it."
    }
}

#[component]
pub(super) fn ExpandDialog(volume: String) -> impl IntoView {
    let live = Live::expect();
    let (questions, notices) = (Questions::expect(), Notices::expect());
    let call = Call::new();
    let (size, unit) = (RwSignal::new(String::new()), RwSignal::new("Gi".to_owned()));
    let name = StoredValue::new(volume.clone());
    let present =
        Memo::new(move |_| name.with_value(|name| live.volumes.get(name)).map_or(ByteSize::ZERO, |volume| volume.size));
    let wished = Memo::new(move |_| larger(&size.get(), &unit.get(), present.get()));
    let hint = move || match wished.get() {
        _ if size.get().is_empty() => format!("It has {} now", present.get()),
        Ok(size) => format!("{size}, on each of its replicas"),
        Err(error) => error,
    };
    let is_wrong = move || !size.get().is_empty() && wished.get().is_err();
    let later = move || name.with_value(|name| live.volumes.get(name)).map(|volume| afterwards(&volume));
    let answer = Callback::new(move |()| {
        let Ok(size) = wished.get_untracked() else { return };
        let (volume, done) = (name.get_value(), format!("{} is growing to {size}.", name.get_value()));
        let input = ExpandInput { size: SizeText(size.bytes().to_string()) };
        call.run(async move { api::act::<Expand>(&volume, &input).await }, move |_| {
            notices.done(done);
            questions.close();
        });
    });
    view! {
        <Dialog
            title=format!("Expand {volume}")
            answer="Expand"
            ready=Signal::derive(move || wished.get().is_ok())
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <label class="field">
                <span>"New size"</span>
                <span class="joined">
                    <input autofocus name="size" inputmode="decimal" autocomplete="off" aria-describedby="expand-hint" aria-invalid=move || is_wrong().to_string() bind:value=size />
                    <select name="unit" aria-label="Unit of the new size" bind:value=unit>
                        <option value="Mi">"MiB"</option>
                        <option value="Gi" selected>"GiB"</option>
                        <option value="Ti">"TiB"</option>
                    </select>
                </span>
                <span id="expand-hint" class="hint" class:error=is_wrong aria-live="polite">{hint}</span>
            </label>
            <p class="dim">{later}" It can be taken back until it has begun."</p>
        </Dialog>
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::size::GIB;

    use super::*;

    #[test]
    fn a_volume_only_grows() {
        let present = ByteSize(10 * GIB);
        assert_eq!(larger("20", "Gi", present), Ok(ByteSize(20 * GIB)));
        assert!(larger("10", "Gi", present).unwrap_err().contains("never gets smaller"));
        assert!(larger("", "Gi", present).is_err());
    }
}
