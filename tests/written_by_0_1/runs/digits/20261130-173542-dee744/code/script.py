print("script begins")
raise ValueError("no such luck")
