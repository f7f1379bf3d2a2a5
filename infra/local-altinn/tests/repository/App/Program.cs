void RegisterCustomAppServices(IServiceCollection services)
{
    services.AddTransient<IDataProcessor, LengsteBat>();
}
