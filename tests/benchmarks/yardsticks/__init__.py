"""What a team would write instead of Mandaat, with one policy written into the code."""
