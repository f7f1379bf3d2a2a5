//! An attachment on its way from A to B: streamed, never held.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Body;
use stafett_core::{draft::Attachment, id::InstanceId};

use super::{
    budget::Budget,
    client::Altinn,
    error::{AltinnError, AltinnErrorKind, Call},
};
use crate::telemetry::Causes;

/// How much of a request's body was sent.
#[derive(Default)]
pub(super) struct Progress {
    /// The number of attachments that were sent whole.
    whole: AtomicUsize,
    /// The first error of reading an attachment.
    broken: OnceLock<AltinnError>,
}

impl Progress {
    /// The number of attachments that were sent whole.
    pub(super) fn whole(&self) -> usize {
        self.whole.load(Ordering::Relaxed)
    }

    /// Why an attachment could not be read, if one could not.
    pub(super) fn broken(&self) -> Option<&AltinnError> {
        self.broken.get()
    }
}

impl Altinn {
    /// A data element of A as a body. It is opened when the body is first read.
    pub(super) fn attachment_body(
        &self,
        budget: &Arc<Budget>,
        source: InstanceId,
        attachment: &Attachment,
        progress: &Arc<Progress>,
    ) -> Body {
        let (altinn, budget, progress) = (self.clone(), budget.clone(), progress.clone());
        let (element, size) = (attachment.element, attachment.size);
        let opened = async move {
            let bytes = altinn.attachment(&budget, source, element).await?;
            Ok::<_, AltinnError>(bytes.map_ok(Some).chain(stream::once(async { Ok(None) })))
        };
        let noted = progress.clone();
        let mut seen = 0_u64;
        let bytes = stream::once(opened).try_flatten().map(move |chunk| {
            let chunk = chunk?;
            match chunk {
                Some(bytes) => {
                    seen += bytes.len() as u64;
                    Ok(bytes)
                }
                // An element that was cut short, or grew, must not pass for the whole.
                None if seen != size => Err(AltinnError::new(
                    &Call::ReadWholeElement {
                        instance: source,
                        element,
                    },
                    AltinnErrorKind::Malformed("of the size that its instance names"),
                )),
                None => {
                    progress.whole.fetch_add(1, Ordering::Relaxed);
                    Ok(bytes::Bytes::new())
                }
            }
        });
        Body::wrap_stream(bytes.map_err(move |error: AltinnError| {
            let told = std::io::Error::other(Causes(&error).to_string());
            // The first failure is the one that counts.
            let _ = noted.broken.set(error);
            told
        }))
    }
}
