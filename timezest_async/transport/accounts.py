"""Whose records are read: an account, told apart without telling its key."""

from __future__ import annotations

from hashlib import blake2b

from timezest_async.transport.settings import check_base_url


def account_digest(api_key: str, base_url: str) -> str:
    """Give what tells one account from another: 32 hexadecimal digits, from which no key is found.

    An address is the same however it is spelled: a slash at its end, the host's case, the default port.

    Args:
        api_key: The API key.
        base_url: The service's address.

    Raises:
        ConfigurationError: The address is unfit.
    """
    url = check_base_url(base_url)
    host = (url.raw_host or "").rstrip(".").lower()
    address = f"{url.scheme}://{host}:{url.port}{url.raw_path.rstrip('/')}\n"
    digest = blake2b(address.encode(), digest_size=16)
    digest.update(api_key.encode())
    return digest.hexdigest()
