"""Thin bridges to trainers for large models. Prompts, grammar, execution and rewards are the program's."""
