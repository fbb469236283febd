"""One module per thing that is measured; each has ``run(report)``, and its first line says what it is."""
