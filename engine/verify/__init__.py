"""Is what a runtime computes what torch computes?"""
