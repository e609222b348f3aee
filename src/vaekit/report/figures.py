"""stub"""
__all__=["Plots"]
class Plots:
    def __init__(self, s): self.s=s
