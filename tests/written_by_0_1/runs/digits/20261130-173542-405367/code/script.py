import time
print("script sleeps", flush=True)
time.sleep(600)
