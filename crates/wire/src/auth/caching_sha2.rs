//! The second half of `caching_sha2_password`: what follows when the server has no cached hash of the password.

use zeroize::Zeroizing;

use super::{Channel, Login, PublicKey, SHORT_NONCE_BYTES, Step, nonce_of};
use crate::Error;

/// Server: the cached hash matches, an OK follows.
const FAST_AUTH_OK: u8 = 0x03;
/// Server: there is no cached hash, send the password.
const FULL_AUTH: u8 = 0x04;
/// Client: send the public key to encrypt the password with.
const REQUEST_PUBLIC_KEY: u8 = 0x02;

impl Login {
    /// Takes the data of a "more data" packet.
    ///
    /// On an open channel the password is encrypted with the key the server sends. That protects it from listeners, not from
    /// someone who stands in the middle and sends a key of their own: only TLS with a checked certificate does that.
    pub(super) fn caching_sha2_data(&mut self, data: &[u8], password: &[u8]) -> Result<Step, Error> {
        match data {
            [FAST_AUTH_OK] => Ok(Step::Read),
            [FULL_AUTH] if self.channel == Channel::Private => {
                let mut clear = Zeroizing::new(Vec::with_capacity(password.len() + 1));
                clear.extend_from_slice(password);
                clear.push(0);
                Ok(Step::Send(clear))
            }
            [FULL_AUTH] => {
                self.asked_for_key = true;
                Ok(Step::Send(Zeroizing::new(vec![REQUEST_PUBLIC_KEY])))
            }
            pem if self.asked_for_key => {
                self.asked_for_key = false;
                let masked = mask(password, nonce_of(&self.nonce, SHORT_NONCE_BYTES)?);
                Ok(Step::Send(Zeroizing::new(
                    PublicKey::from_pem(pem)?.encrypt(&masked)?,
                )))
            }
            _ => Err(Error::invalid(
                "authentication answer",
                "unknown data for caching_sha2_password",
            )),
        }
    }
}

/// The password, closed with a zero byte, mixed with the nonce so that the encrypted form cannot be sent again.
fn mask(password: &[u8], nonce: &[u8]) -> Zeroizing<Vec<u8>> {
    let closed = password.iter().chain(std::iter::once(&0));
    // Reserved in full, so that no copy is left behind by growth.
    let mut masked = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    masked.extend(closed.zip(nonce.iter().cycle()).map(|(byte, key)| byte ^ key));
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::rsa::tests::PUBLIC_KEY_PEM;

    const NONCE: &[u8] = b"abcdefghijklmnopqrst";

    fn login(channel: Channel) -> Login {
        Login::new(b"caching_sha2_password", NONCE, channel)
    }

    #[test]
    fn the_fast_path_waits_for_the_ok() {
        let mut login = login(Channel::Open);
        assert_eq!(login.first_response(b"secret").unwrap().len(), 32);
        assert!(matches!(login.receive(&[1, 3], b"secret"), Ok(Step::Read)));
    }

    #[test]
    fn a_private_channel_gets_the_password_and_its_zero_byte() {
        let step = login(Channel::Private).receive(&[1, 4], b"secret").unwrap();
        assert_eq!(format!("{step:?}"), "Send(..)");
        assert!(matches!(step, Step::Send(clear) if clear.as_slice() == b"secret\0"));
    }

    #[test]
    fn an_open_channel_never_gets_the_password_in_clear() {
        let mut login = login(Channel::Open);
        let step = login.receive(&[1, 4], b"secret").unwrap();
        assert!(matches!(step, Step::Send(request) if request.as_slice() == [2]));
        let key = [&[1], PUBLIC_KEY_PEM.as_bytes()].concat();
        let step = login.receive(&key, b"secret").unwrap();
        assert!(matches!(step, Step::Send(encrypted) if encrypted.len() == 256));
    }

    #[test]
    fn a_key_that_was_not_asked_for_and_a_bad_key_are_errors() {
        let key = [&[1], PUBLIC_KEY_PEM.as_bytes()].concat();
        assert!(login(Channel::Private).receive(&key, b"secret").is_err());
        let mut login = login(Channel::Open);
        login.receive(&[1, 4], b"secret").unwrap();
        assert!(login.receive(b"\x01no key", b"secret").is_err());
    }

    #[test]
    fn the_mask_repeats_the_nonce() {
        let masked = mask(&[0; 41], NONCE);
        assert_eq!(masked.len(), 42);
        assert_eq!(&masked[..20], NONCE);
        assert_eq!(&masked[20..40], NONCE);
        assert_eq!(&masked[40..], b"ab");
    }
}
