"""stub"""
__all__=["render","write_report"]
def render(s, brief=False): return ""
def write_report(s, path): path.write_text("x"); return path
