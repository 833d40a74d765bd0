"""How the code is written, in numbers: `make quality`. docs/quality.md says what each number is for."""
