//! Sending a file to the manager, with how much of it has gone. `XMLHttpRequest`, because `fetch` does not tell that.

use std::cell::RefCell;
use std::rc::Rc;

use aurochs_api::schema::ErrorBody;
use aurochs_api::size::ByteSize;
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{File, FormData, HtmlInputElement, ProgressEvent, XmlHttpRequest};

use crate::api::{self, ApiError};
use crate::components::bar::Progress;
use crate::components::call::{Call, Failure};
use crate::components::dialog::Dialog;
use crate::dialogs::Questions;
use crate::live::Thing;
use crate::notices::Notices;
use crate::words::{self, fill, told, tr};

/// Longhorn's name of the form's only field.
const FIELD: &str = "chunk";

/// How far an upload is.
#[derive(Clone, Copy)]
struct Upload {
    sent: RwSignal<u64>,
    busy: RwSignal<bool>,
    error: RwSignal<Option<ApiError>>,
    running: StoredValue<Option<Running>, LocalStorage>,
}

/// The request with what it calls, which must live as long as it does.
struct Running {
    request: XmlHttpRequest,
    _progress: Closure<dyn FnMut(ProgressEvent)>,
    _end: Closure<dyn FnMut(ProgressEvent)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.request.set_onloadend(None);
        if let Ok(upload) = self.request.upload() {
            upload.set_onprogress(None);
        }
        // Aborting one that has ended does nothing.
        _ = self.request.abort();
    }
}

/// For an image that waits for its file.
pub(super) fn ask_upload(image: &Thing) {
    open(image.text("name").to_owned(), None);
}

/// Sends the file at once.
pub(super) fn begin_upload(name: String, file: File) {
    // After the dialog that is open has closed.
    set_timeout(move || open(name, Some(file)), std::time::Duration::ZERO);
}

fn open(name: String, file: Option<File>) {
    let questions = Questions::expect();
    let file = StoredValue::new_local(file);
    questions.open(Callback::new(move |()| {
        let name = name.clone();
        view! { <UploadDialog name file=file.get_value() /> }.into_any()
    }));
}

#[component]
fn UploadDialog(name: String, file: Option<File>) -> impl IntoView {
    let questions = Questions::expect();
    let upload = Upload {
        sent: RwSignal::new(0),
        busy: RwSignal::new(false),
        error: RwSignal::new(None),
        running: StoredValue::new_local(None),
    };
    // Whoever closes the dialog ends the upload: it belongs to this page of the browser.
    on_cleanup(move || upload.running.set_value(None));
    let chosen = RwSignal::new_local(file);
    let start = {
        let name = name.clone();
        move || {
            if let Some(file) = chosen.get_untracked() {
                send(&name, &file, upload, move |name| {
                    Notices::expect().done(fill("{} is uploaded.", &[&name]));
                    questions.close();
                });
            }
        }
    };
    if chosen.with_untracked(Option::is_some) {
        start();
    }
    let choose = move |event: leptos::ev::Event| {
        let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        chosen.set(input.and_then(|input| input.files()).and_then(|files| files.get(0)));
        upload.error.set(None);
    };
    let size = move || chosen.with(|file| file.as_ref().map_or(0, bytes_of));
    let percent = Signal::derive(move || u32::try_from(upload.sent.get() * 100 / size().max(1)).unwrap_or(100));
    let ready = Signal::derive(move || size() > 0 && !upload.busy.get());
    let far = move || words::transferred(ByteSize(upload.sent.get()), ByteSize(size()), 0);
    view! {
        <Dialog
            title=fill("Upload {}", &[&name])
            answer=Signal::derive(move || if upload.busy.get() { tr("Uploading…").to_owned() } else { tr("Upload").to_owned() })
            ready
            call=Call::new()
            on_answer=Callback::new(move |()| start())
            on_close=Callback::new(move |()| questions.close())
        >
            <label class="field">
                <span>{tr("File")}</span>
                <input type="file" name="file" disabled=move || upload.busy.get() on:change=choose />
                <span class="hint">{move || chosen.with(|file| file.as_ref().map(|file| format!("{} · {}", file.name(), ByteSize(bytes_of(file)))))}</span>
            </label>
            <Show when=move || upload.busy.get()>
                <div class="uploading" data-testid="uploading">
                    <Progress percent label=tr("Uploading…") />
                    <p class="dim" aria-live="polite">
                        {move || if percent.get() < 100 { far() } else { tr("All of it is sent; the image is being checked.").to_owned() }}
                    </p>
                    <p class="hint">{tr("Closing this ends the upload.")}</p>
                </div>
            </Show>
            <Failure error=upload.error />
        </Dialog>
    }
}

fn bytes_of(file: &File) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes of files are whole and not negative"
    )]
    let bytes = file.size() as u64;
    bytes
}

fn send(name: &str, file: &File, upload: Upload, done: impl FnOnce(String) + 'static) {
    upload.error.set(None);
    upload.sent.set(0);
    upload.busy.set(true);
    let unsent = |_: JsValue| ApiError {
        message: tr("The file can't be sent.").to_owned(),
        next_step: tr("Choose it again; it may have been moved or changed.").to_owned(),
    };
    match request(name, file, upload, done) {
        Ok(running) => upload.running.set_value(Some(running)),
        Err(error) => {
            upload.busy.set(false);
            upload.error.set(Some(unsent(error)));
        }
    }
}

fn request(name: &str, file: &File, upload: Upload, done: impl FnOnce(String) + 'static) -> Result<Running, JsValue> {
    let request = XmlHttpRequest::new()?;
    let address = format!("{}?action=upload&size={}", api::address_of("backingimages", name), bytes_of(file));
    request.open_with_async("POST", &address, true)?;
    request.set_request_header("Accept", "application/json")?;
    // The header tells the manager that no foreign page's form sent this.
    request.set_request_header("X-Requested-With", "aurochs-ui")?;
    let form = FormData::new()?;
    form.append_with_blob_and_filename(FIELD, file, &file.name())?;
    let progress = Closure::<dyn FnMut(ProgressEvent)>::new(move |event: ProgressEvent| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes are whole and not negative")]
        let sent = event.loaded() as u64;
        _ = upload.sent.try_set(sent);
    });
    let (answered, name) = (request.clone(), name.to_owned());
    let done = Rc::new(RefCell::new(Some(done)));
    let end = Closure::<dyn FnMut(ProgressEvent)>::new(move |_: ProgressEvent| {
        _ = upload.busy.try_set(false);
        match outcome(&answered) {
            Ok(()) => {
                if let Some(done) = done.borrow_mut().take() {
                    done(name.clone());
                }
            }
            Err(error) => _ = upload.error.try_set(Some(error)),
        }
    });
    request.upload()?.set_onprogress(Some(progress.as_ref().unchecked_ref()));
    request.set_onloadend(Some(end.as_ref().unchecked_ref()));
    request.send_with_opt_form_data(Some(&form))?;
    Ok(Running { request, _progress: progress, _end: end })
}

fn outcome(request: &XmlHttpRequest) -> Result<(), ApiError> {
    let status = request.status().unwrap_or(0);
    if (200..300).contains(&status) {
        return Ok(());
    }
    let text = request.response_text().ok().flatten().unwrap_or_default();
    let body: ErrorBody = serde_json::from_str(&text).unwrap_or_default();
    Err(match (status, body.message.is_empty()) {
        (0, _) => ApiError {
            message: tr("The connection broke off.").to_owned(),
            next_step: tr("Check the connection and upload again: nothing of it is kept.").to_owned(),
        },
        (_, true) => ApiError { message: fill("The manager answered {}.", &[&status]), next_step: String::new() },
        (_, false) => ApiError { message: told(&body.message), next_step: told(&body.detail) },
    })
}
