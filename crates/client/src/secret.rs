//! A password in memory.

use std::fmt;

use zeroize::Zeroizing;

/// A password. It prints as `Secret(..)` and is wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes over the password; the bytes given are the ones that are wiped.
    pub fn new(password: impl Into<Vec<u8>>) -> Secret {
        Secret(Zeroizing::new(password.into()))
    }

    /// The password itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no password.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret:?} {:#?}", Some(&secret)),
            "Secret(..) Some(\n    Secret(..),\n)"
        );
        assert_eq!(secret.expose(), b"hunter2");
    }
}
