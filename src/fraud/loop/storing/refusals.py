"""What a refusal of an S3 server, or of the way there, means, and what to do."""

import re

KEPT = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, an AWS profile (AWS_PROFILE), or .dvc/config.local"
CAUSES = {  # what DVC, s3fs and botocore print: what it means
    "Unable to locate credentials|Partial credentials": f"found no credentials; set {KEPT}",
    "config profile .* could not be found": "found no such AWS profile; mend AWS_PROFILE, or the remote's `profile`",
    "NoSuchBucket|bucket does not exist": "found no such bucket; make it, or mend its name",
    "[Ee]xpired": "found credentials that have expired; sign in again, then run it again",
    r"\(403\)|Forbidden|Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch": (
        "the server refuses these credentials; check key and secret, and what they may do in this bucket"
    ),
    "[Cc]ould not connect|[Cc]annot connect|[Tt]imeout|timed out|Connection (was )?(closed|reset|refused)": (
        "nobody answers there; check the address (ENDPOINT) and the network, then run it again"
    ),
}


def cause(text: str) -> str | None:
    """Return what a message of a storage client means, where that is known, and what to do."""
    return next((found for pattern, found in CAUSES.items() if re.search(pattern, text)), None)
