//! Pictures that are too large to send are made smaller.
//!
//! A provider takes what is longer than [`LONGEST_SIDE`] apart into that size anyway, and every request carries every
//! picture of the conversation (sides and filter as the peer has them).

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

/// No side of a picture that is sent has more pixels than this.
pub(super) const LONGEST_SIDE: u32 = 2048;

/// The largest picture that is opened: 16,384 pixels each way, and so much memory.
const MAX_SIDE: u32 = 16_384;
const MAX_MEMORY: u64 = 512 << 20;

/// How good a JPEG is made.
const JPEG_QUALITY: u8 = 85;

/// The picture within [`LONGEST_SIDE`], and its media type. A GIF becomes a PNG of its first frame.
pub(super) fn fitted(bytes: &[u8], format: ImageFormat) -> Result<(Vec<u8>, &'static str), ImageError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    // What says how a camera was held does not survive.
    picture.apply_orientation(orientation);
    let small = picture.resize(LONGEST_SIDE, LONGEST_SIDE, FilterType::Triangle);
    drop(picture);
    let mut encoded = Cursor::new(Vec::new());
    let kind = match format {
        ImageFormat::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut encoded, JPEG_QUALITY);
            small.to_rgb8().write_with_encoder(encoder)?;
            "image/jpeg"
        }
        ImageFormat::WebP => {
            let pixels = small.to_rgba8();
            pixels.write_to(&mut encoded, ImageFormat::WebP)?;
            "image/webp"
        }
        _ => {
            small.write_to(&mut encoded, ImageFormat::Png)?;
            "image/png"
        }
    };
    Ok((encoded.into_inner(), kind))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let picture = RgbImage::from_pixel(width, height, Rgb([200, 30, 30]));
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn the_longer_side_fits_and_the_shape_stays() {
        for (size, expected) in [
            ((3000, 1000), (2048, 683)),
            ((1000, 3000), (683, 2048)),
            ((2049, 10), (2048, 10)),
        ] {
            for (format, kind) in [
                (ImageFormat::Png, "image/png"),
                (ImageFormat::Jpeg, "image/jpeg"),
                (ImageFormat::WebP, "image/webp"),
                (ImageFormat::Gif, "image/png"),
            ] {
                let (small, told) = fitted(&encoded(size.0, size.1, format), format).unwrap();
                assert_eq!(told, kind);
                let found = imagesize::blob_size(&small).unwrap();
                assert_eq!((found.width, found.height), expected, "{format:?}");
            }
        }
    }

    #[test]
    fn what_is_no_picture_or_would_fill_the_memory_is_an_error() {
        assert!(fitted(b"\x89PNG\r\n\x1a\nand then nothing", ImageFormat::Png).is_err());
        let mut bomb = encoded(4, 4, ImageFormat::Gif);
        // The size of the screen stands behind the six bytes of the signature.
        bomb[6..10].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        assert!(fitted(&bomb, ImageFormat::Gif).is_err());
    }
}
