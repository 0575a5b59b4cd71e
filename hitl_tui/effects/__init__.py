"""What a call would do, read from its arguments alone: shell commands, SQL statements, files, hosts, recipients. Pure."""
