"""How a branch becomes a pull request: what it says, and talking to GitHub."""
