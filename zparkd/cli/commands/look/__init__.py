"""Commands that show: this central, its peers, who came and went."""
