//! Pictures as front ends take them: base64, and nothing else. Pure.
//!
//! nbconvert writes a picture's data and its size into the page as they are.

/// Picture formats that a browser draws and that hold no script.
pub(super) const FORMATS: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Whether `data` is the base64 of anything.
pub(super) fn is_base64(data: &str) -> bool {
    data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=\n\r".contains(&byte))
}

/// Whether `url` holds a picture itself.
pub(super) fn is_image_url(url: &str) -> bool {
    let Some(rest) = url.trim().strip_prefix("data:") else { return false };
    let Some((format, data)) = rest.split_once(";base64,") else { return false };
    FORMATS.contains(&format) && is_base64(data)
}
