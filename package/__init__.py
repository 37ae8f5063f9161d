"""What makes the packages: man pages and the Debian package. No part of zparkd itself."""
