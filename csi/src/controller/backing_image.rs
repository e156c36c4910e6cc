//! The backing image that a volume stands on: there, or made of what the parameters say.

use aurochs_api::backing_image::{BackingImage, BackingImageCreateInput};

use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::handle::Image;
use crate::parameters::{self, Parameters};

/// Sources that an image is made of without a person. The others bring their content by themselves.
const SOURCES: [&str; 2] = ["download", "export-from-volume"];

/// Makes the image that the parameters name where there is none.
pub(super) async fn ensure(driver: &Driver, parameters: &Parameters) -> Result<(), Failure> {
    let Some(wanted) = parameters::image(parameters)? else { return Ok(()) };
    if let Some(found) = driver.manager().find_backing_image(&wanted.name).await? {
        return check_checksum(&found, &wanted.checksum);
    }
    if !SOURCES.contains(&wanted.source_type.as_str()) {
        let message = format_args!("there is no backing image {}, and it is not said what to make it of", wanted.name);
        let next_step = format_args!("Make it first, or give backingImageDataSourceType {}.", SOURCES.join(" or "));
        return Err(Failure::invalid(message, next_step));
    }
    let copies = parameters::number(parameters, "backingImageMinNumberOfCopies")?.unwrap_or_default();
    make(driver, wanted, copies, parameters, "backingImageNodeSelector", "backingImageDiskSelector").await
}

/// Asks for an image; one that is there is fine.
pub(super) async fn make(
    driver: &Driver,
    image: Image,
    copies: u32,
    parameters: &Parameters,
    nodes: &str,
    disks: &str,
) -> Result<(), Failure> {
    let data_engine = parameters::text(parameters, "dataEngine").to_owned();
    let Image { name, source_type, checksum, parameters: made_of } = image;
    let input = BackingImageCreateInput {
        name,
        source_type,
        parameters: made_of,
        expected_checksum: checksum,
        min_number_of_copies: copies,
        node_selector: parameters::list(parameters, nodes),
        disk_selector: parameters::list(parameters, disks),
        data_engine,
        ..BackingImageCreateInput::default()
    };
    match driver.manager().create_backing_image(&input).await {
        Err(failure) if failure.is(Kind::WrongState) => {
            let found = driver.manager().find_backing_image(&input.name).await?.ok_or(failure)?;
            check_checksum(&found, &input.expected_checksum)
        }
        made => made,
    }
}

fn check_checksum(found: &BackingImage, wanted: &str) -> Result<(), Failure> {
    let known = if found.current_checksum.is_empty() { &found.expected_checksum } else { &found.current_checksum };
    if wanted.is_empty() || known.is_empty() || known == wanted {
        return Ok(());
    }
    let message = format_args!("backing image {} is there with another content than is asked for", found.name);
    Err(Failure::invalid(message, "Correct backingImageChecksum, or choose another backingImage."))
}
