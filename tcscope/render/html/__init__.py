"""One self-contained HTML file: a report or a diff as a page that opens anywhere, offline."""
