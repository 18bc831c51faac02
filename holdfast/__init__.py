"""The shell: settings, the command line, and the servers that Holdfast can bring along."""
