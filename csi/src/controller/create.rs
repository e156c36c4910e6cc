//! `CreateVolume`: a volume of this name, new or already there.

use aurochs_api::size::{ByteSize, MIB};
use aurochs_api::volume::{AccessMode, Volume, VolumeState};

use super::{backing_image, recurring_jobs, source, topology};
use crate::capability::{Form, Sharing, Use};
use crate::csi::{CreateVolumeRequest, CreateVolumeResponse, Volume as Answer};
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::parameters::{self, Parameters};
use crate::wait::{PATIENCE, Wait};
use crate::{names, size};

/// `mkfs.xfs` makes none that are smaller.
const XFS_MINIMUM: ByteSize = ByteSize(300 * MIB);

/// Does not wait for a restore or a copy: a volume that is not filled yet is not published.
pub(super) async fn volume(driver: &Driver, request: &CreateVolumeRequest) -> Result<CreateVolumeResponse, Failure> {
    if request.name.is_empty() {
        return Err(Failure::missing("name"));
    }
    let uses = Use::all(&request.volume_capabilities)?;
    let wanted = size::wanted(request.capacity_range.as_ref())?;
    let mut context = request.parameters.clone();
    if uses.iter().any(|one| one.sharing == Sharing::Pod) {
        context.insert(parameters::EXCLUSIVE.to_owned(), true.to_string());
    }
    let name = names::volume(&request.name);
    let _turn = driver.controller_turns().take(&name).await?;
    let found = driver.manager().find_volume(&name).await?;
    let origin = match &found {
        // What it was made of may be gone by now.
        Some(volume) => source::known(volume, request.volume_content_source.as_ref())?,
        None => source::find(driver, request.volume_content_source.as_ref(), &context, wanted).await?,
    };
    origin.enter(&mut context)?;
    if found.is_none() {
        make(driver, &name, wanted, &context, &uses, request).await?;
    }
    let made = created(driver, &name).await?;
    check_same(&made, wanted)?;
    Ok(CreateVolumeResponse {
        volume: Some(Answer {
            capacity_bytes: size::signed(made.size),
            volume_id: name,
            accessible_topology: topology::of_volume(driver, request.accessibility_requirements.as_ref(), &context)
                .await?,
            volume_context: context,
            content_source: request.volume_content_source.clone(),
        }),
    })
}

async fn make(
    driver: &Driver,
    name: &str,
    wanted: ByteSize,
    context: &Parameters,
    uses: &[Use],
    request: &CreateVolumeRequest,
) -> Result<(), Failure> {
    let mut wish = parameters::wish(context)?;
    let wants_xfs = |one: &Use| matches!(&one.form, Form::Filesystem { kind, .. } if kind == "xfs");
    if request.volume_content_source.is_none() && wanted < XFS_MINIMUM && uses.iter().any(wants_xfs) {
        let message = format_args!("a volume of {wanted} is too small for xfs, which needs {XFS_MINIMUM}");
        return Err(Failure::new(Kind::OutOfRange, message, "Ask for more, or for ext4."));
    }
    backing_image::ensure(driver, context).await?;
    recurring_jobs::ensure(driver, context).await?;
    name.clone_into(&mut wish.name);
    wish.size.0 = wanted.bytes().to_string();
    let exclusive = parameters::flag(context, parameters::EXCLUSIVE)? == Some(true);
    wish.access_mode = if exclusive { AccessMode::Rwop } else { AccessMode::Rwo }.word().into();
    match driver.manager().create_volume(&wish).await {
        // Somebody was quicker, most likely another driver that was asked the same.
        Err(failure) if failure.is(Kind::WrongState) && driver.manager().find_volume(name).await?.is_some() => Ok(()),
        made => made,
    }
}

/// The volume once it is more than a wish.
async fn created(driver: &Driver, name: &str) -> Result<Volume, Failure> {
    let mut wait = Wait::new(PATIENCE);
    loop {
        let volume = driver.manager().volume(name).await?;
        match volume.state {
            VolumeState::Creating => wait.again(&format!("volume {name} was not created")).await?,
            VolumeState::Deleting => {
                return Err(Failure::busy(format_args!("volume {name} is being deleted, and then made anew")));
            }
            _ => return Ok(volume),
        }
    }
}

fn check_same(found: &Volume, wanted: ByteSize) -> Result<(), Failure> {
    if found.size == wanted {
        return Ok(());
    }
    let message = format_args!("volume {} is there with {} bytes, not {wanted}", found.name, found.size.bytes());
    Err(Failure::new(Kind::Exists, message, "Choose another name, or ask for that size."))
}
