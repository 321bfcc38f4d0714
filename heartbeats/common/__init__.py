"""What every room uses: settings, errors, files."""
