from kumanda_client import Kumanda, KumandaError, data, items
from kumanda_client.api.live_streams import cancel_live_stream_by_id_v1, create_live_stream_v1, list_live_stream_v1
from kumanda_client.models import CreateLiveStreamRequest

kumanda = Kumanda("http://localhost:8000")
print("Hello,", kumanda.log_in("deniz", "deniz-of-the-demo").name)
stream = data(create_live_stream_v1.sync_detailed(client=kumanda, body=CreateLiveStreamRequest(title="Işık ve Gölge")))
print(stream.channel_name, data(cancel_live_stream_by_id_v1.sync_detailed(stream.id, client=kumanda)).status)
try:
    data(cancel_live_stream_by_id_v1.sync_detailed(stream.id, client=kumanda))
except KumandaError as error:
    print(error.code, len(list(items(list_live_stream_v1.sync_detailed, client=kumanda, search="istanbul"))))
