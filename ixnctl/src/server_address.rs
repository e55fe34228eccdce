//! The address of the server on the command line.

use tonic::transport::Uri;

/// Reads `http://host:port`, or `host:port`.
///
/// # Errors
/// A sentence that says how to write it.
pub(crate) fn server_address(text: &str) -> Result<String, String> {
    let address = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    if address.starts_with("https://") {
        return Err("TLS is not spoken yet: give an http:// address".to_owned());
    }
    let uri = address.parse::<Uri>().ok().filter(|uri| {
        let ends_with_port = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        uri.scheme_str() == Some("http") && has_host && uri.port_u16().is_some() && ends_with_port
    });
    match uri {
        Some(_) => Ok(address),
        None => Err("give host and port, such as 127.0.0.1:7120 or http://ixn.example:7120".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_may_be_left_out() {
        for (text, address) in [
            ("127.0.0.1:7120", "http://127.0.0.1:7120"),
            ("localhost:7120", "http://localhost:7120"),
            ("[::1]:7120", "http://[::1]:7120"),
            ("http://ixn.example:7120/", "http://ixn.example:7120/"),
        ] {
            assert_eq!(server_address(text).as_deref(), Ok(address));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for wrong in ["", "localhost", "http://localhost", "ftp://a:1", "a b:1", "a:1/x", "a:99999", ":7120"]
        {
            assert!(server_address(wrong).is_err_and(|problem| problem.contains("7120")), "{wrong}");
        }
        assert!(server_address("https://a:1").is_err_and(|problem| problem.contains("TLS")));
    }
}
