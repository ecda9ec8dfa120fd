//! The status socket: one JSON document per connection, then the end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::exit::Failure;

/// Longest time one reader may take; the next one waits meanwhile.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after the system refused a connection, so that a lack of file descriptors is not made worse.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Opens the socket at `path`, which nothing else uses. Only this user may connect.
///
/// # Errors
/// A [`Failure`] when it cannot be opened.
pub(crate) fn listen(path: &Path) -> Result<UnixListener, Failure> {
    let failed = |error| Failure::failed(format!("open status socket {}: {error}", path.display()));
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Serves `document` to everyone who connects, one after the other, until it is dropped.
pub(crate) async fn serve(listener: UnixListener, document: impl Fn() -> Vec<u8>) {
    loop {
        let mut stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "accept on the status socket");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let document = document();
        let write = async {
            stream.write_all(&document).await?;
            stream.shutdown().await
        };
        // A reader that went away or sleeps is its own business.
        match timeout(WRITE_TIMEOUT, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "status reader went away"),
            Err(_) => debug!("status reader did not read within {WRITE_TIMEOUT:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use tokio::io::AsyncReadExt;
    use tokio::net::UnixStream;

    use super::*;

    #[tokio::test]
    async fn every_reader_gets_the_document_even_behind_one_that_sleeps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        // Larger than a socket buffer, so that a sleeping reader holds the writer up.
        let server = tokio::spawn(serve(listener, || vec![b'x'; 4 << 20]));
        let _sleeper = UnixStream::connect(&path).await.unwrap();
        for _ in 0..2 {
            let mut text = Vec::new();
            UnixStream::connect(&path)
                .await
                .unwrap()
                .read_to_end(&mut text)
                .await
                .unwrap();
            assert_eq!(text.len(), 4 << 20);
        }
        server.abort();
    }
}
