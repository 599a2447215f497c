"""The pattern LP by column generation (Gilmore and Gomory), with exact pricing."""
