"""The server: it answers with exactly the model that dvc.lock pins."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT / "src") not in sys.path:  # So that `gunicorn 'serve.app:create_app()'` needs no setting.
    sys.path.insert(0, str(ROOT / "src"))
